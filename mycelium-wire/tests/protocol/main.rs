//! The protocol seen from outside: its bytes, any cut of them, hostile peers, two honest ones.

mod document;
mod drawing;
mod fragments;
mod golden;
mod hostile;
mod objects;
mod pair;
mod streams;
mod support;
mod virtual_time;
