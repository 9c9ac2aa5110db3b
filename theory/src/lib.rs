//! The annulus counter-example of section 2 and appendix D, verified numerically.
