package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// problem is why a request was not fulfilled. It has the form that toxiproxy's clients read, too.
type problem struct {
	Message string `json:"error"`
	Status  int    `json:"status"`
}

func (p *problem) Error() string { return p.Message }

func refuse(status int, format string, args ...any) *problem {
	return &problem{Message: fmt.Sprintf(format, args...), Status: status}
}

// respond writes v as JSON; nil is an empty answer.
func respond(w http.ResponseWriter, status int, v any) {
	if v == nil {
		w.WriteHeader(status)
		return
	}
	data, err := json.Marshal(v)
	if err != nil { // nothing that is answered can fail to be written, unless it is a defect
		status, data = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON","status":500}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a client that has left does not want it
}

// fail answers with an error. One that is no problem yet is the client's, because what it asked for was not accepted.
func fail(w http.ResponseWriter, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = refuse(http.StatusBadRequest, "%v", err)
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="fault"`)
	}
	respond(w, p.Status, p)
}

// read returns the body, of mostBody bytes at most.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", mostBody)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body could not be read: %v", err)
	}
	return data, nil
}

// decode parses exactly one JSON value. Keys that v does not know are errors.
func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return refuse(http.StatusBadRequest, "the body is empty; send JSON")
		}
		return refuse(http.StatusBadRequest, "the body is not what is expected here: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "there is more than one JSON value in the body")
	}
	return nil
}

// decodeList parses a list that may stand alone, or in an object under its name.
func decodeList[T any](data []byte, name string) ([]T, error) {
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		var list []T
		return list, decode(data, &list)
	}
	var object map[string]json.RawMessage
	if err := decode(data, &object); err != nil {
		return nil, err
	}
	raw, ok := object[name]
	if !ok || len(object) != 1 {
		return nil, refuse(http.StatusBadRequest, "send a list, or an object with nothing but the list under %q", name)
	}
	var list []T
	return list, decode(raw, &list)
}
