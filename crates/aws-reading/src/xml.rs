//! As much of XML as AWS's query APIs and S3 answer with: elements, text, the five entities. Attributes and comments are passed
//! over.
//!
//! Pure. What is not of this form is no answer: there are no document types, so that no entity can be defined or expand.

/// Deeper than this no answer of these APIs is.
const DEPTH_MAX: usize = 16;

/// More elements than this no answer of these APIs has; S3's pages of 1000 versions have 12 000.
const ELEMENTS_MAX: usize = 100_000;

/// An element.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Node {
    name: String,
    /// Its text, without that of its children.
    pub text: String,
    children: Vec<Node>,
}

impl Node {
    /// Reads a document.
    pub fn read(text: &str) -> Option<Self> {
        // The elements that are open, outermost first; the document itself stands below them.
        let mut open = vec![Self::default()];
        let mut elements = 0;
        let mut rest = text.trim_start_matches('\u{feff}');
        while let Some(at) = rest.find('<') {
            open.last_mut()?.text.push_str(&unescaped(&rest[..at])?);
            if let Some(comment) = rest[at..].strip_prefix("<!--") {
                rest = comment.split_once("-->")?.1;
                continue;
            }
            let end = at + rest[at..].find('>')?;
            let tag = &rest[at + 1..end];
            rest = &rest[end + 1..];
            elements += 1;
            match tag.as_bytes().first()? {
                b'?' => {}
                b'!' => return None,
                _ if elements > 2 * ELEMENTS_MAX => return None,
                b'/' => {
                    let closed = open.pop()?;
                    if closed.name != local(&tag[1..]) {
                        return None;
                    }
                    open.last_mut()?.children.push(closed);
                }
                _ => {
                    let node = Self { name: local(tag).to_owned(), ..Self::default() };
                    if tag.ends_with('/') {
                        open.last_mut()?.children.push(node);
                    } else if open.len() <= DEPTH_MAX {
                        open.push(node);
                    } else {
                        return None;
                    }
                }
            }
        }
        let [document] = &mut open[..] else { return None };
        if !(document.text.trim().is_empty() && rest.trim().is_empty()) {
            return None;
        }
        if document.children.len() == 1 { document.children.pop() } else { None }
    }

    /// Its name, without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All children, in order.
    pub fn all(&self) -> &[Self] {
        &self.children
    }

    /// The children of a name, in order.
    pub fn children<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of a name; empty when there is none.
    pub fn text_of(&self, name: &str) -> &str {
        self.children(name).next().map_or("", |child| child.text.trim())
    }

    /// The text of the first child of a name as it stands, if there is one: keys may begin with blanks.
    pub fn raw_text_of(&self, name: &str) -> Option<&str> {
        self.children(name).next().map(|child| child.text.as_str())
    }

    /// The first element of a name, at any depth.
    pub fn first(&self, name: &str) -> Option<&Self> {
        if self.name == name { Some(self) } else { self.children.iter().find_map(|child| child.first(name)) }
    }
}

/// A tag's name without prefix, attributes and the closing slash.
fn local(tag: &str) -> &str {
    let name = tag.trim_end_matches('/').split_ascii_whitespace().next().unwrap_or_default();
    name.rsplit(':').next().unwrap_or(name)
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (entity, after) = part.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = number.strip_prefix('x').map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16));
                char::from_u32(code.ok()?)?
            }
        });
        out.push_str(after);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_nesting() {
        let text = "<?xml version=\"1.0\"?>\n<R xmlns=\"u\">\n  <L><member><a>1 &amp; 2</a><b/></member><member><a>&#x33;</a></member></L></R>";
        let root = Node::read(text).unwrap();
        let members: Vec<&str> = root.first("L").unwrap().children("member").map(|member| member.text_of("a")).collect();
        assert_eq!(members, ["1 & 2", "3"]);
        assert_eq!(root.text_of("nothing"), "");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let deep = "<a>".repeat(40) + &"</a>".repeat(40);
        let texts = ["", "Bad gateway", "<a>", "<a></b>", "</a>", "<a/><b/>", "<a>&nbsp;</a>", "<a", "<>", "x<a/>", "<a/>x"];
        for text in texts.into_iter().chain([deep.as_str()]) {
            assert_eq!(Node::read(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_can_be_defined_that_expands() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"xx\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        for text in [bomb, "<!DOCTYPE a><a/>", "<a>&b;</a>", "<a><![CDATA[<b/>]]></a>", "<a>&#0xd800;</a>", "<a>&#x110000;</a>"] {
            assert_eq!(Node::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_answer_of_too_many_elements_is_refused() {
        let wide = |elements: usize| format!("<a>{}</a>", "<b/>".repeat(elements));
        assert!(Node::read(&wide(10_000)).is_some());
        assert!(Node::read(&wide(2 * ELEMENTS_MAX)).is_none());
    }

    #[test]
    fn a_comment_may_hold_anything() {
        assert_eq!(Node::read("<!-- <a> > --><a>1<!----></a>").unwrap().text, "1");
        assert_eq!(Node::read("<a><!-- </a>"), None);
    }
}
