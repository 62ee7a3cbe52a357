//! Load generator and reports; the transport floor.
