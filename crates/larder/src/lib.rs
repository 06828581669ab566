//! larder
