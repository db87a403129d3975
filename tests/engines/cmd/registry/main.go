// registry is as much of a registry of images as a client needs to pull one:
// registry LAYER.tar.gz CERTIFICATE.pem. It stands in for Docker Hub in a network
// namespace without the world: it serves the layer as docker.io/library/busybox,
// over TLS, on 127.0.0.1:443, and writes the certificate that clients have to
// trust. It prints a line when it can be asked.
package main

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path"
	"runtime"
	"strings"
	"time"
)

const (
	hub          = "registry-1.docker.io"
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	layerType    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: registry LAYER.tar.gz CERTIFICATE.pem")
	}
	blobs, manifest, err := image(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := selfSigned(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:443")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	server := &http.Server{
		Handler: handler(blobs, manifest), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	log.Fatal(server.ServeTLS(listener, "", ""))
}

// descriptor refers to a blob, as manifests do.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Size      int    `json:"size"`
	Digest    string `json:"digest"`
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// image makes an image of one layer: its blobs by their digests, and its
// manifest.
func image(file string) (blobs map[string][]byte, manifest []byte, err error) {
	layer, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	unpacked, err := gzip.NewReader(strings.NewReader(string(layer)))
	if err != nil {
		return nil, nil, err
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		return nil, nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Cmd": []string{"sh"}, "Env": []string{"PATH=/usr/bin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(content)}},
	})
	if err != nil {
		return nil, nil, err
	}
	manifest, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": descriptor{configType, len(config), digest(config)},
		"layers": []descriptor{{layerType, len(layer), digest(layer)}},
	})
	return map[string][]byte{digest(config): config, digest(layer): layer}, manifest, err
}

// handler answers as the distribution specification says, to whoever wants to
// pull.
func handler(blobs map[string][]byte, manifest []byte) http.Handler {
	send := func(w http.ResponseWriter, mediaType string, data []byte) {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Header().Set("Docker-Content-Digest", digest(data))
		_, _ = w.Write(data) // a client that goes away is no matter
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	})
	mux.HandleFunc("GET /v2/library/busybox/manifests/{reference}", func(w http.ResponseWriter, r *http.Request) {
		if reference := r.PathValue("reference"); reference != "latest" && reference != digest(manifest) {
			http.NotFound(w, r)
			return
		}
		send(w, manifestType, manifest)
	})
	mux.HandleFunc("GET /v2/library/busybox/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		data, ok := blobs[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		send(w, "application/octet-stream", data)
	})
	return mux
}

// selfSigned makes a certificate for the hub, and writes it to a file.
func selfSigned(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a registry of the tests"}, DNSNames: []string{hub},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(file, text, 0o644)
}
