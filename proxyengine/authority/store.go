package authority

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Errors of the directory that holds an authority.
var (
	ErrMissing = errors.New("there is no certificate authority")
	ErrExists  = errors.New("there is a certificate authority already")
)

const (
	certificateName = "ca.pem"
	keyName         = "ca-key.pem"
)

// CertificateFile is where the certificate of an authority in dir is.
func CertificateFile(dir string) string { return filepath.Join(dir, certificateName) }

// KeyFile is where its key is.
func KeyFile(dir string) string { return filepath.Join(dir, keyName) }

// DefaultDir is the directory of this user's authority, whether it is there or not.
func DefaultDir() (string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where this user's configuration belongs is not known: %w", err)
	}
	return filepath.Join(config, "fault", "ca"), nil
}

// Load reads the authority in dir. It is [ErrMissing] when there is none, and refuses one whose key others may read.
func Load(dir string) (*Authority, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrMissing, dir)
	}
	if err != nil {
		return nil, err
	}
	if err := private(info, dir, "700"); err != nil {
		return nil, err
	}
	key, err := readKey(KeyFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrMissing, dir)
	}
	if err != nil {
		return nil, err
	}
	certificate, err := os.ReadFile(CertificateFile(dir))
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	a, err := Parse(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("the authority in %s: %w", dir, err)
	}
	return a, nil
}

// readKey reads the key, unless others can do so, too.
func readKey(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of what is read, not of what the name may stand for later
	if err != nil {
		return nil, err
	}
	if err := private(info, name, "600"); err != nil {
		return nil, err
	}
	const most = 64 << 10
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is not a key file", name)
	}
	data := make([]byte, info.Size())
	n, err := f.ReadAt(data, 0)
	if n < len(data) {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	return data, nil
}

// private refuses what others than its owner may use.
func private(info fs.FileInfo, name, mode string) error {
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil // on Windows these bits say nothing, and a user's directory is that user's own
	}
	return fmt.Errorf("other users may use %s (mode %04o), and whoever has the authority's key can pose as any host: chmod %s %s",
		name, info.Mode().Perm(), mode, name)
}

// Save writes the authority into dir, which it makes. It is [ErrExists] when there is one already, unless replace is set.
func (a *Authority) Save(dir string, replace bool) error {
	key, err := a.keyPEM()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := private(info, dir, "700"); err != nil {
		return err
	}
	if replace {
		// The certificate goes first: what is between the two is no authority, never a mixture.
		for _, name := range []string{CertificateFile(dir), KeyFile(dir)} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	// The key file decides who of two that do this at the same time comes first.
	if err := create(KeyFile(dir), key, 0o600); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w in %s", ErrExists, dir)
		}
		return err
	}
	os.Remove(CertificateFile(dir)) // one without a key is of no use
	if err := create(CertificateFile(dir), a.CertificatePEM(), 0o644); err != nil {
		os.Remove(KeyFile(dir))
		return err
	}
	return nil
}

// create writes a file that must not be there.
func create(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if syncErr := f.Sync(); err == nil {
		err = syncErr
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(name)
	}
	return err
}
