//! The property tests of the tree, by the numbers of the test plan (P1 to P19). What concerns files, logs and replicas
//! (P14, P17) is tested where these are.

mod history;
