//! What each sampler claims of its own, on made-up results: statements about many proposals are means over seeds, with
//! margins that chance does not cross.

mod costs;
mod gp;
mod lab;
mod objectives;
mod sobol;
mod tpe;
mod transfer;
