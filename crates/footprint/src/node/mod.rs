//! What npm, pnpm and yarn install: `node_modules`, wherever it is in a folder.
//!
//! `manifest.rs` reads `package.json`; `modules.rs` finds the packages, nested copies and pnpm's store included, and
//! resolves what each asks for as Node.js does, through links that are read and never followed out of the target.

pub mod manifest;
pub mod modules;
