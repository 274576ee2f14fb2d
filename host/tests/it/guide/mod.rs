//! The guide to functions keeps its word: each of its code blocks runs as it stands there.
//!
//! `docs/functions-guide.md` is read, not copied. A block that the table does not know fails, and
//! so does an entry without its block. Where a block is no whole function, the test wraps it, and
//! changes nothing inside but what it says it changes.

mod blocks;
mod snippets;
mod blog;
mod quick_start;
mod structure;
mod context;
mod database;
mod operators;
mod errors;
mod manifests;
mod validation;
mod examples;
mod welcome;
mod image;
mod configuration;
mod debugging;
mod sample;

use blocks::{block, blocks};

/// The table: a heading of the guide, the block's place under it, and what runs the block.
macro_rules! table {
    ($($heading:literal [$index:literal] => $module:ident :: $run:ident,)*) => {
        const TABLE: &[(&str, usize)] = &[$(($heading, $index)),*];

        mod block_runs {
            $(#[tokio::test]
            async fn $run() {
                super::$module::$run(super::block($heading, $index)).await;
            })*
        }
    };
}

table! {
    "1. Create a Function" [0] => quick_start::the_first_function,
    "2. Call the Function" [0] => quick_start::the_first_call,
    "2. Call the Function" [1] => quick_start::the_first_answer,
    "Node.js" [0] => structure::a_function,
    "Python" [0] => structure::a_function_in_python,
    "Go" [0] => structure::a_function_in_go,
    "`ctx.input`" [0] => context::input,
    "`ctx.auth`" [0] => context::auth,
    "`ctx.db`" [0] => context::db,
    "`ctx.log`" [0] => context::log,
    "`ctx.env`" [0] => context::env,
    "Querying Collections" [0] => database::querying,
    "Filter Operators" [0] => operators::every_operator,
    "CRUD Operations" [0] => database::crud,
    "Raw SQL Queries" [0] => database::raw_sql,
    "Throwing Errors" [0] => errors::throwing,
    "Custom Error Codes" [0] => errors::a_custom_code,
    "Custom Error Codes" [1] => errors::the_answer_to_a_custom_code,
    "Function Manifests" [0] => manifests::a_manifest,
    "Node.js with Schema" [0] => validation::a_schema,
    "Python with Validation" [0] => validation::a_schema_in_python,
    "Create Blog Post with Slug Generation" [0] => examples::create_post,
    "Send Welcome Email (with external API)" [0] => welcome::send_welcome,
    "Python: Image Processing" [0] => image::process_image,
    "Server Configuration (alyx.yaml)" [0] => configuration::the_server,
    "Environment Variables" [0] => configuration::variables_in_the_file,
    "Environment Variables" [1] => configuration::variables_in_the_shell,
    "Hot Reloading" [0] => debugging::hot_reloading,
    "Local Testing" [0] => debugging::local_testing,
}

#[test]
fn the_table_has_every_block_of_the_guide_and_nothing_else() {
    let there: Vec<_> = blocks().iter().map(|b| (b.heading.as_str(), b.index)).collect();
    let unknown: Vec<_> = there.iter().filter(|key| !TABLE.contains(key)).collect();
    assert!(unknown.is_empty(), "blocks that nothing runs; add them to the table: {unknown:?}");
    let gone: Vec<_> = TABLE.iter().filter(|key| !there.contains(key)).collect();
    assert!(gone.is_empty(), "entries whose block is no longer in the guide: {gone:?}");
    assert_eq!(there, TABLE, "the table is in the order of the guide, each block once");
}
