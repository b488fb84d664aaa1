//! The whole router, in process, over a real library: status, headers and body of every kind of reply.

mod api;
mod auth;
mod clients;
mod cors;
mod dialects;
mod feeds;
mod limits;
mod observed;
mod pages;
mod problems;
mod representation;
mod service;
mod support;
mod writes;
