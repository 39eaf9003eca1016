//! Ranger: RAdam with gradient centralization inside Lookahead, as Less Wright put them together
//! (<https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer>; Wright and Demeure 2021,
//! <https://arxiv.org/abs/2106.13731>).
//!
//! Clip, centre the gradients, take a RAdam step, and every k steps synchronise the slow weights:
//! [`Optim`](super::Optim) puts the parts together. Reference: the three parts', which see; the weight decay is not
//! centred. Differences from Wright's code: RAdam rectifies from rho >= 5 on where his takes > 5, and the slow
//! weights start at the first synchronisation (timm) where his start with the first step. Evaluation uses the slow
//! weights.
