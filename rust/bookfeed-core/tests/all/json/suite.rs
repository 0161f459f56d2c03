//! Documents by rule of the grammar, accepted and refused, made here.

type Document = (&'static str, Vec<u8>);

struct Suite(Vec<Document>);

impl Suite {
    /// Adds documents of a category as they are.
    fn add(&mut self, name: &'static str, documents: &[&str]) {
        self.0.extend(documents.iter().map(|d| (name, d.as_bytes().to_vec())));
    }

    fn bytes(&mut self, name: &'static str, documents: &[&[u8]]) {
        self.0.extend(documents.iter().map(|d| (name, d.to_vec())));
    }

    /// Adds strings, each as an element of an array.
    fn strings(&mut self, name: &'static str, contents: &[&[u8]]) {
        for content in contents {
            self.0.push((name, [b"[\"", *content, b"\"]"].concat()));
        }
    }

    /// Adds bare values: alone, in an array, and as a member.
    fn values(&mut self, name: &'static str, values: &[&str]) {
        for value in values {
            self.0.push((name, value.as_bytes().to_vec()));
            self.0.push((name, format!("[{value}]").into_bytes()));
            self.0.push((name, format!("{{\"a\":{value}}}").into_bytes()));
        }
    }
}

pub fn accepted() -> Vec<Document> {
    let mut s = Suite(Vec::new());
    s.values("literal", &["null", "true", "false"]);
    s.values(
        "number",
        &[
            "0",
            "-0",
            "1",
            "-1",
            "10",
            "1234567890",
            "0.0",
            "-0.0",
            "0.5",
            "123.456",
            "1e1",
            "1E1",
            "1e+1",
            "1e-1",
            "0e0",
            "0E+0",
            "-0e-0",
            "1.5e300",
            "0.1e01",
            "20e1",
            "9007199254740993",
            "18446744073709551616",
            "123456789012345678901234567890",
            "1e-999",
        ],
    );
    s.values("number too big for a double", &["1e999", "-1.5E400"]);
    s.add(
        "blanks",
        &[" 1 ", "\t\n\r [ \t\n\r ] \t\n\r ", "[1 , 2]", "{ \"a\" : 1 , \"b\" : 2 }", "[\r\n]"],
    );
    s.add(
        "array",
        &["[]", "[[]]", "[[],[]]", "[1,\"a\",null,{}]", "[[[[[[[[[[]]]]]]]]]]", "[ [ ] ]", "[{},[{}]]"],
    );
    s.add(
        "object",
        &[
            "{}",
            "{\"\":0}",
            "{\"a\":{}}",
            "{\"a\":{\"a\":{\"a\":[]}}}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"b\":2}",
            "{\"\\u0061\":1}",
            "{\"\\n\\\"\\\\\":1}",
            "{\"a\\u0000b\":1}",
            "{\"\u{e9}\":1}",
        ],
    );
    s.strings(
        "string",
        &[
            b"",
            b"a",
            b" ",
            b"\\\"",
            b"\\\\",
            b"\\/",
            b"/",
            b"\\b\\f\\n\\r\\t",
            b"\\u0000",
            b"\\u0022",
            b"\\u00e9",
            b"\\uABCD",
            b"\\uabcd",
            b"\\uFFFF",
            b"\\ufffe",
            b"\\ud83d\\ude00",
            b"\\uD834\\uDD1E",
            b"\\udbff\\udfff",
            b"\\ud800\\udc00",
            b"\\\\u12",
            b"\\\\\\\"",
            b"\x7f",
            b"'",
            b"<script>",
            b"0123456789abcdef",
            b"0123456789abcde\\n",
            b"0123456789abcdef\\n",
            b"exactly sixteen.exactly sixteen.",
        ],
    );
    s.strings(
        "lone surrogate",
        &[
            b"\\ud800",
            b"\\udbff",
            b"\\udc00",
            b"\\udfff",
            b"\\ud800\\ud800",
            b"\\udc00\\ud800",
            b"\\ud800x",
            b"\\ud800\\n",
            b"\\ud800\\u0041",
            b"\\ud83d\\\\ude00",
            b"\\ud83dude00",
            b"\\ud83dxxde00",
            b"\\ud83d\\nde00",
            b"\\ud83d/ude00",
        ],
    );
    s.strings(
        "utf-8",
        &[
            "\u{80}".as_bytes(),
            "\u{e9}".as_bytes(),
            "\u{7ff}".as_bytes(),
            "\u{800}".as_bytes(),
            "\u{d7ff}".as_bytes(),
            "\u{e000}".as_bytes(),
            "\u{fffd}".as_bytes(),
            "\u{fffe}".as_bytes(),
            "\u{ffff}".as_bytes(),
            "\u{10000}".as_bytes(),
            "\u{10ffff}".as_bytes(),
            "\u{feff}".as_bytes(),
            "\u{2028}\u{2029}".as_bytes(),
            "0123456789abcde\u{e9}".as_bytes(),
            "\u{1F600}\u{1F600}\u{1F600}\u{1F600}\u{1F600}".as_bytes(),
        ],
    );
    s.0
}

pub fn refused() -> Vec<Document> {
    let mut s = Suite(Vec::new());
    numbers(&mut s);
    strings(&mut s);
    structure(&mut s);
    s.0
}

fn numbers(s: &mut Suite) {
    s.values(
        "bad number",
        &[
            "+1",
            "-",
            "--1",
            "-+1",
            "+",
            "01",
            "-01",
            "00",
            "-00.5",
            "012.3",
            ".5",
            "-.5",
            "+.5",
            "1.",
            "-1.",
            "1.e1",
            "1..2",
            "1.2.3",
            "1e",
            "1E",
            "1e+",
            "1e-",
            "1e+-1",
            "1e1.5",
            "1e1e1",
            "1ee1",
            "1.2e",
            "e1",
            "E",
            "0x1F",
            "0b1",
            "0o7",
            "1_000",
            "1a",
            "1f",
            "1L",
            "1 000",
            "0-1",
            "1+2",
            "1e 1",
            "1 e1",
            "- 1",
            "NaN",
            "nan",
            "-NaN",
            "Infinity",
            "-Infinity",
            "inf",
            "+Infinity",
            "1/2",
            "$1",
            "1%",
            "\u{ff11}",
            "\u{661}",
        ],
    );
}

fn strings(s: &mut Suite) {
    s.strings(
        "bad escape",
        &[
            b"\\",
            b"\\a",
            b"\\v",
            b"\\x41",
            b"\\0",
            b"\\'",
            b"\\U0041",
            b"\\u",
            b"\\u0",
            b"\\u00",
            b"\\u004",
            b"\\u004g",
            b"\\u-041",
            b"\\u+041",
            b"\\u 041",
            b"\\uDD\xc3\xa9",
            b"\\ ",
            b"\\\n",
            b"\\\xe9",
            b"\\8",
        ],
    );
    s.strings("bad escape behind a surrogate", &[b"\\ud800\\udc0", b"\\ud800\\", b"\\ud800\\u"]);
    for control in 0..0x20u8 {
        s.0.push(("control character", vec![b'"', b'a', control, b'b', b'"']));
    }
    s.strings(
        "not utf-8",
        &[
            b"\x80",
            b"\xbf",
            b"\xc0\x80",
            b"\xc0\xaf",
            b"\xc1\xbf",
            b"\xc2",
            b"\xc2\x41",
            b"\xc3\x28",
            b"\xe0\x80\x80",
            b"\xe0\x9f\xbf",
            b"\xe0\xa0",
            b"\xe2\x28\xa1",
            b"\xe2\x82",
            b"\xed\xa0\x80",
            b"\xed\xbf\xbf",
            b"\xed\xa0\xbd\xed\xb8\x80",
            b"\xf0\x80\x80\x80",
            b"\xf0\x8f\xbf\xbf",
            b"\xf0\x90\x80",
            b"\xf0\x28\x8c\xbc",
            b"\xf4\x90\x80\x80",
            b"\xf5\x80\x80\x80",
            b"\xf8\x88\x80\x80\x80",
            b"\xfc\x84\x80\x80\x80\x80",
            b"\xfe",
            b"\xff",
            b"0123456789abcdef\xff",
            b"0123456789abcde\xe9",
            b"caf\xe9",
        ],
    );
    s.add(
        "string without end",
        &[
            "\"",
            "\"a",
            "[\"a",
            "[\"a]",
            "{\"a",
            "{\"a\":\"b",
            "\"a\\\"",
            "\"0123456789abcdef",
            "[\"0123456789abcde]",
        ],
    );
    s.add(
        "other quotes",
        &[
            "'a'",
            "['a']",
            "{'a':1}",
            "[`a`]",
            "[\u{201c}a\u{201d}]",
            "{a:1}",
            "[a]",
            "{1:1}",
            "{null:1}",
            "{[]:1}",
        ],
    );
}

fn structure(s: &mut Suite) {
    s.add("nothing", &["", " ", "\n\t\r "]);
    s.add(
        "array",
        &[
            "[",
            "]",
            "[1",
            "[1,",
            "[,",
            "[,]",
            "[1,]",
            "[,1]",
            "[1,,2]",
            "[1 2]",
            "[1\n2]",
            "[1:2]",
            "[1;2]",
            "[[]",
            "[]]",
            "[[1]",
            "[1}",
            "[1)",
            "(1)",
            "<1>",
            "[\"a\",",
            "[\"a\"",
            "[\"\": 1]",
            "[1,\n1\n,1",
            "[*]",
            "[-]",
            "[null",
            "[nul]",
        ],
    );
    s.add(
        "object",
        &[
            "{",
            "}",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{,}",
            "{,\"a\":1}",
            "{\"a\":1,,\"b\":2}",
            "{\"a\" 1}",
            "{\"a\",1}",
            "{\"a\"::1}",
            "{\"a\":}",
            "{:1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":1]",
            "{\"a\"}",
            "{\"a\":1:2}",
            "{\"a\":1;\"b\":2}",
            "{\"a\"=1}",
            "{{}}",
            "{[]}",
            "{}}",
            "{\"a\":{}",
            "{\"a\":[}]",
        ],
    );
    s.add(
        "literal",
        &[
            "nul",
            "nulll",
            "Null",
            "NULL",
            "tru",
            "truee",
            "True",
            "fals",
            "False",
            "FALSE",
            "undefined",
            "none",
            "yes",
            "t",
            "f",
            "n",
        ],
    );
    s.add(
        "trailing",
        &[
            "1 2",
            "[] []",
            "{} {}",
            "[]x",
            "{}#",
            "null null",
            "\"a\" \"b\"",
            "[],",
            "{},",
            "1,",
            "[]\u{0}",
            "{}\u{0}",
            "[] // c",
            "{}/**/",
        ],
    );
    s.add(
        "comment",
        &["/* c */[]", "[/* c */]", "[1 // c\n]", "{/**/}", "# c\n1", "[1 /* c */]", "--1", "<!-- -->"],
    );
    s.add(
        "blanks",
        &[
            "[\u{b}]",
            "[\u{c}1]",
            "\u{a0}[]",
            "[\u{2003}]",
            "[\u{2060}]",
            "\u{feff}[]",
            "\u{feff}{}",
            "[\u{85}]",
        ],
    );
    s.bytes(
        "bytes",
        &[
            b"\0",
            b"\0[]",
            b"[\0]",
            b"[1\0]",
            b"\xff",
            b"[\xff]",
            b"\xe9",
            b"[\xe9]",
            b"\xef\xbb\xbf",
            b"\xef\xbb\xbf[]",
            b"\xef\xbb[]",
            b"[\x7f]",
            b"\xff\xfe[\0]\0",
            b"\xfe\xff\0[\0]",
            b"[\x80]",
            b"{\"a\":\x80}",
            b"\x1b[1]",
        ],
    );
}

/// Where the other reader differs: numbers beyond the range of a double.
pub fn differs(name: &str) -> bool {
    matches!(name, "number too big for a double" | "lone surrogate")
}

/// Whether a document's first value is whole, so that what breaks it comes behind it.
pub fn ends_early(document: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(document).into_iter::<serde_json::Value>();
    !matches!(values.next(), Some(Err(_)))
}
