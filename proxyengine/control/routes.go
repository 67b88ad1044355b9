package control

import (
	"net/http"
	"slices"
	"strings"
)

// request is a request whose body was read, with what its answer is to have.
type request struct {
	*http.Request
	data   []byte
	header http.Header
	status int // of the answer; 0 is 200, or 204 where there is nothing to say
}

// route is one operation of the API. The document at /v1/openapi.json is made of the same list.
type route struct {
	method, path string
	summary      string
	in, out      string // names of schemas of the document, "" for no body
	status       int    // of a success
	do           func(*Server, *request) (any, error)
}

// routes is every operation of our own, in the order in which the document lists them.
func routes() []route {
	return []route{
		{"GET", "/v1/faults", "List the faults", "", "Faults", 200, (*Server).listFaults},
		{"POST", "/v1/faults", "Add a fault", "Fault", "Fault", 201, (*Server).addFault},
		{
			"PUT", "/v1/faults", "Make a list the faults; those that are in both stay as they are", "Faults", "Faults", 200,
			(*Server).putFaults,
		},
		{"DELETE", "/v1/faults", "Remove all faults", "", "", 204, (*Server).clearFaults},
		{"GET", "/v1/faults/{id}", "Show a fault", "", "Fault", 200, (*Server).getFault},
		{"PUT", "/v1/faults/{id}", "Add a fault under a name, or replace it", "Fault", "Fault", 200, (*Server).putFault},
		{
			"PATCH", "/v1/faults/{id}", "Change settings of a fault; null is the default (RFC 7396)", "Patch", "Fault", 200,
			(*Server).patchFault,
		},
		{"DELETE", "/v1/faults/{id}", "Remove a fault", "", "", 204, (*Server).deleteFault},
		{"GET", "/v1/mappings", "List the mappings", "", "Mappings", 200, (*Server).listMappings},
		{"POST", "/v1/mappings", "Add a mapping", "Mapping", "Mapping", 201, (*Server).addMapping},
		{
			"PUT", "/v1/mappings", "Make a list the mappings; those that are in both stay open", "Mappings", "Mappings", 200,
			(*Server).putMappings,
		},
		{"GET", "/v1/mappings/{id}", "Show a mapping", "", "Mapping", 200, (*Server).getMapping},
		{"PUT", "/v1/mappings/{id}", "Add a mapping under a name, or replace it", "Mapping", "Mapping", 200, (*Server).putMapping},
		{
			"PATCH", "/v1/mappings/{id}", "Switch a mapping on or off, or lead it elsewhere", "Patch", "Mapping", 200,
			(*Server).patchMapping,
		},
		{
			"DELETE", "/v1/mappings/{id}", "Remove a mapping, its connections and the faults that act on it alone", "", "", 204,
			(*Server).deleteMapping,
		},
		{"GET", "/v1/counters", "Read what happened, in numbers", "", "Counters", 200, (*Server).readCounters},
		{"DELETE", "/v1/counters", "Count from zero again", "", "", 204, (*Server).resetCounters},
		{"GET", "/v1/status", "Read how the engine is", "", "Status", 200, (*Server).readStatus},
		{"GET", "/v1/openapi.json", "This document", "", "Document", 200, (*Server).openAPI},
	}
}

// toxiproxyRoutes are the operations that toxiproxy's clients ask for.
func toxiproxyRoutes() []route {
	return []route{
		{method: "GET", path: "/version", do: (*Server).toxiVersion},
		{method: "POST", path: "/reset", do: (*Server).toxiReset},
		{method: "POST", path: "/populate", do: (*Server).toxiPopulate},
		{method: "GET", path: "/proxies", do: (*Server).toxiProxies},
		{method: "POST", path: "/proxies", do: (*Server).toxiCreate},
		{method: "GET", path: "/proxies/{proxy}", do: (*Server).toxiProxy},
		{method: "POST", path: "/proxies/{proxy}", do: (*Server).toxiUpdate},
		{method: "PATCH", path: "/proxies/{proxy}", do: (*Server).toxiUpdate},
		{method: "DELETE", path: "/proxies/{proxy}", do: (*Server).toxiDelete},
		{method: "GET", path: "/proxies/{proxy}/toxics", do: (*Server).toxics},
		{method: "POST", path: "/proxies/{proxy}/toxics", do: (*Server).toxicAdd},
		{method: "GET", path: "/proxies/{proxy}/toxics/{toxic}", do: (*Server).toxicShow},
		{method: "POST", path: "/proxies/{proxy}/toxics/{toxic}", do: (*Server).toxicUpdate},
		{method: "PATCH", path: "/proxies/{proxy}/toxics/{toxic}", do: (*Server).toxicUpdate},
		{method: "DELETE", path: "/proxies/{proxy}/toxics/{toxic}", do: (*Server).toxicRemove},
	}
}

// handler is all of the server behind its guard.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, r := range slices.Concat(routes(), toxiproxyRoutes()) {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, q *http.Request) { s.serve(w, q, r) })
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		allow := strings.Join(allowed, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Allow", allow)
			fail(w, refuse(http.StatusMethodNotAllowed, "%s is not possible here; use %s", q.Method, allow))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		fail(w, refuse(http.StatusNotFound, "there is no %s; /v1/openapi.json lists what there is", q.URL.Path))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := s.guard.check(r); p != nil {
			s.logger.Debug("control API refuses a request", "path", r.URL.Path, "client", r.RemoteAddr, "reason", p.Message)
			fail(w, p)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serve carries out one operation. All of them go one after the other.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, to route) {
	data, err := read(w, r)
	if err != nil {
		fail(w, err)
		return
	}
	q := &request{Request: r, data: data, header: w.Header()}
	s.state.mu.Lock()
	s.state.adopt()
	answer, err := to.do(s, q)
	s.state.mu.Unlock()
	if err != nil {
		fail(w, err)
		return
	}
	if q.status == 0 {
		q.status = http.StatusOK
		if answer == nil {
			q.status = http.StatusNoContent
		}
	}
	respond(w, q.status, answer)
}
