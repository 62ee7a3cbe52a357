//! Generated protocol code and every conversion to and from it.
