//! The fenced code blocks of the guide, each with the heading above it.
//!
//! Knows Markdown as far as the guide uses it, and nothing of what the blocks mean.

use std::sync::OnceLock;

/// The guide as it stands among the pages.
pub(super) const PAGE: &str = include_str!("../../../../docs/functions-guide.md");

const FENCE: &str = "```";

/// One block of the page.
#[derive(Debug, PartialEq)]
pub(super) struct Block {
    /// The nearest heading above.
    pub(super) heading: String,
    /// Its place under that heading.
    pub(super) index: usize,
    /// What stands behind the fence.
    pub(super) language: String,
    pub(super) text: String,
}

impl Block {
    /// The file that the first line names in a comment.
    pub(super) fn file(&self) -> Option<&str> {
        let first = self.text.lines().next()?;
        let named = first.strip_prefix("// ").or_else(|| first.strip_prefix("# "))?;
        let is_path = !named.contains(' ') && named.contains('.');
        is_path.then_some(named)
    }

    /// Checks that the block says `words`, since what they promise is what the test looks for.
    pub(super) fn says(&self, words: &str) -> &Self {
        assert!(self.text.contains(words), "'{}' no longer says '{words}'", self.heading);
        self
    }
}

/// All blocks of the guide.
pub(super) fn blocks() -> &'static [Block] {
    static BLOCKS: OnceLock<Vec<Block>> = OnceLock::new();
    BLOCKS.get_or_init(|| blocks_of(PAGE))
}

/// The block at this place.
pub(super) fn block(heading: &str, index: usize) -> &'static Block {
    let found = blocks().iter().find(|b| b.heading == heading && b.index == index);
    found.unwrap_or_else(|| panic!("the guide has no block {index} under '{heading}'"))
}

fn blocks_of(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut heading = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix(FENCE) {
            let inside: Vec<_> = lines.by_ref().take_while(|line| line.trim() != FENCE).collect();
            let index = blocks.iter().filter(|block| block.heading == heading).count();
            blocks.push(Block {
                heading: heading.to_owned(),
                index,
                language: language.trim().to_owned(),
                text: inside.join("\n") + "\n",
            });
        } else if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim();
        }
    }
    blocks
}

#[test]
fn a_block_has_heading_place_language_and_file() {
    let page = "# Top\n## One\n```js\n// functions/a.js\n# no heading\n```\n\n```\nplain\n```\n\
                ## Two\n```yaml\n# functions/b.yaml\n```\n";
    let found = blocks_of(page);
    let found = found.iter().map(|b| (&*b.heading, b.index, &*b.language, b.file()));
    let expected = [
        ("One", 0, "js", Some("functions/a.js")),
        ("One", 1, "", None),
        ("Two", 0, "yaml", Some("functions/b.yaml")),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn every_fence_of_the_guide_belongs_to_a_block() {
    let fences = PAGE.lines().filter(|line| line.contains(FENCE)).count();
    assert_eq!(fences, 2 * blocks().len());
}

#[test]
fn no_two_headings_with_blocks_are_the_same() {
    let headings = PAGE.lines().filter(|line| line.starts_with("##"));
    let headings: Vec<_> = headings.map(|line| line.trim_start_matches('#').trim()).collect();
    for block in blocks() {
        let same = headings.iter().filter(|heading| **heading == block.heading).count();
        assert_eq!(same, 1, "'{}' names no single place", block.heading);
    }
}
