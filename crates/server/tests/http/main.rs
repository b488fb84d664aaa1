//! The whole router, in process, over a real library: status, headers and body of every kind of reply.

mod api;
mod cors;
mod pages;
mod problems;
mod service;
mod support;
