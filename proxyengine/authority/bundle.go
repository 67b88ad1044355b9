package authority

import (
	"encoding/pem"
	"errors"
	"os"
	"slices"
)

// BundleVariables are the environment variables by which common programs are told which authorities to trust, instead of those of the
// system: OpenSSL and what is built on it, Go, Python's ssl (SSL_CERT_FILE), requests, curl.
var BundleVariables = []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}

// ExtraVariables are those by which programs are told of authorities in addition to others: Node.
var ExtraVariables = []string{"NODE_EXTRA_CA_CERTS"}

// systemBundles are where systems keep the authorities that they trust, in one file: Debian and Alpine, Fedora and RHEL, openSUSE,
// older RHEL, macOS and the BSDs.
var systemBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
	"/usr/local/share/certs/ca-root-nss.crt",
}

// ErrNoSystemRoots says that the system keeps the authorities that it trusts where they cannot be read as a file.
var ErrNoSystemRoots = errors.New("the system has no file of the authorities that it trusts")

// Bundle is what a program is to trust that goes through interception: this authority, and those that it would trust without it. They
// come from the files that the variables named above lead to, else from the system. Where there are none the bundle has this authority
// alone, with [ErrNoSystemRoots].
func (a *Authority) Bundle(getenv func(string) string) ([]byte, error) {
	files := func(variables []string) (list []string) {
		for _, variable := range variables {
			if file := getenv(variable); file != "" {
				list = append(list, file)
			}
		}
		return list
	}
	return a.bundle(files(BundleVariables), systemBundles, files(ExtraVariables))
}

// bundle takes what is in all of the chosen files, or in the first of the system's that there is; and in the extra ones.
func (a *Authority) bundle(chosen, system, extra []string) ([]byte, error) {
	out := a.CertificatePEM()
	seen := map[string]bool{string(out): true}
	add := func(file string) (found bool) {
		data, _ := os.ReadFile(file) // what is not there the program could not read, either
		for {
			var block *pem.Block
			if block, data = pem.Decode(data); block == nil {
				return found
			}
			if block.Type != "CERTIFICATE" {
				continue
			}
			found = true
			text := pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
			if !seen[string(text)] {
				seen[string(text)] = true
				out = append(out, text...)
			}
		}
	}
	found := false
	for _, file := range chosen {
		found = add(file) || found
	}
	var err error
	if !found && !slices.ContainsFunc(system, add) {
		err = ErrNoSystemRoots
	}
	for _, file := range extra {
		add(file)
	}
	return out, err
}
