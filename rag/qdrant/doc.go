// Package qdrant keeps indexes of package rag in a Qdrant server, over gRPC: for indexes that outgrow one machine, or that several
// machines share.
//
// # What is where
//
// Vectors and source texts, which are nearly all of an index, stay in the server. A search asks it for the vectors nearest to the question
// and for the texts of the results only. What ranking needs of every chunk (its place, kind and name, and the search terms: some hundred
// bytes beside a vector of several thousand) is loaded once for each published state and searched in memory, by the same code for
// all stores.
//
// An index is one collection, of one repository and embedder. Its points, told apart by their IDs (see pointID), are
//
//	control   one point: who updates, what is published, what was committed since
//	text      the text of a chunk
//	vector    a vector, under the name "code"; chunks with the same text share it
//	batch     what a Commit did to files and chunks
//	part      a piece of a published table: files, chunks, keys of vectors, search terms
//
// Without an embedder there are no vector points, and the collection has no vectors.
//
// # Why it is right
//
// Qdrant has no transactions, but it changes one point at once and may be told to do so only where a filter matches. So every point but the
// control point is written once, under an ID with the number of the update that writes it, and means nothing until the control
// point says so; and the control point is only replaced where its version is the one that was read (see lease). Publishing is one such
// replacement, and so is committing a batch: a search sees all of an update or nothing.
//
// Updates take turns by a lease in the control point. Its holder gives it a new version every few seconds; who waits takes it
// over when the version has stood still for the length of the lease, by the waiting process's own clock. A holder that was only
// suspended finds another version than its own and fails; what it still writes has its own number and is not referred to. The next
// update goes on from the batches that were committed.
//
// Points that a publication made useless are deleted after it; a search that still needs one is told that it is stale, and begins
// again from the new state. What dead updates left is deleted by the next one that publishes.
//
// Control points are written with strong ordering and read by majority, which matters in a cluster. The server must be Qdrant 1.16 or
// later: the first update of a collection relies on its conditional insertion.
package qdrant
