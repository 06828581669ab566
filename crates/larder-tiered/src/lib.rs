//! Several stores behind one.
