package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/hashicorp/raft"
)

// TLSOptions are a node's certificate and whom it believes. Both are asked for with each connection, so that they can be
// renewed while the node runs. Both are required.
type TLSOptions struct {
	// Certificate returns the node's own, with its key. It is shown to whoever connects and to whom is connected to; it must be
	// valid for the host in the node's address, and for the use of a server and a client.
	Certificate func() (*tls.Certificate, error)
	// Roots returns the authorities that nodes' certificates come from. They should sign nothing else: whoever has a
	// certificate of theirs is a node.
	Roots func() *x509.CertPool
}

// tlsStreams is Streams over TLS 1.3, with certificates on both sides.
type tlsStreams struct {
	*tcpStreams
	options TLSOptions
}

// ListenTLS returns Streams over TLS 1.3 which listen on an address. Both sides show certificates. The listening side's must
// be valid for the host in the address that was dialled, the dialling side's for its node's name or the host in its address.
func ListenTLS(ctx context.Context, address string, options TLSOptions) (Streams, error) {
	if options.Certificate == nil || options.Roots == nil {
		return nil, errors.New("transport: Certificate and Roots are required")
	}
	tcp, err := ListenTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	plain, ok := tcp.(*tcpStreams)
	if !ok {
		return nil, fmt.Errorf("transport: assertion: TCP streams are %T", tcp)
	}
	return &tlsStreams{tcpStreams: plain, options: options}, nil
}

// Accept implements net.Listener. The handshake comes with the first byte that is read.
func (s *tlsStreams) Accept() (net.Conn, error) {
	conn, err := s.tcpStreams.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsConn{tls.Server(conn, &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.options.Certificate() },
		ClientAuth:     tls.RequireAndVerifyClientCert,
		ClientCAs:      s.options.Roots(),
	})}, nil
}

// Dial implements Streams.
func (s *tlsStreams) Dial(ctx context.Context, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("transport: dialling %s: %w", address, err)
	}
	plain, err := s.tcpStreams.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, &tls.Config{
		MinVersion:           tls.VersionTLS13,
		ServerName:           host,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.options.Certificate() },
		RootCAs:              s.options.Roots(),
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("transport: greeting %s: %w", address, err), plain.Close())
	}
	return &tlsConn{conn}, nil
}

// tlsConn closes at once. A tls.Conn first says goodbye, and may wait for seconds until it can; but where a stream of ours ends is
// told by its frames.
type tlsConn struct{ *tls.Conn }

// Close implements net.Conn.
func (c *tlsConn) Close() error { return c.NetConn().Close() }

// Identify implements Identifier: a node that was given a certificate can't pass for another.
func (s *tlsStreams) Identify(conn net.Conn, id raft.ServerID, address raft.ServerAddress) error {
	secured, ok := conn.(*tlsConn)
	if !ok {
		return fmt.Errorf("transport: assertion: a TLS listener's connection is a %T", conn)
	}
	chain := secured.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return errors.New("transport: no certificate was shown")
	}
	if chain[0].VerifyHostname(string(id)) == nil {
		return nil
	}
	host, _, err := net.SplitHostPort(string(address))
	if err != nil {
		return fmt.Errorf("transport: the address %q: %w", address, err)
	}
	if err := chain[0].VerifyHostname(host); err != nil {
		return fmt.Errorf("transport: the certificate is neither for %q nor for %q: %w", id, host, err)
	}
	return nil
}
