//! Where a source file can be changed, and the file with all changes in it, each behind a switch.

use std::ops::Range;

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One change of the code that a test should notice.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// What is changed into what.
    pub what: String,
    /// The function it is in, with the type where there is one.
    pub function: String,
    /// Of the original file, from 1.
    pub line: usize,
    /// The code in place of the original.
    code: String,
}

/// How the changes of a place are put behind their switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `{ …` of a function: returns early.
    Body,
    /// An expression or a statement: an `if` around it.
    Expression,
    /// An arm's pattern or guard: its text is replaced by one that asks for the switch.
    Guard,
}

/// A place of a file, with the changes that are possible there.
#[derive(Debug)]
pub struct Site {
    range: Range<usize>,
    form: Form,
    pub mutants: Vec<Mutant>,
}

/// The sites of one file, outer before inner.
pub fn sites(source: &str) -> syn::Result<Vec<Site>> {
    let file = syn::parse_file(source)?;
    let mut finder = Finder { source, sites: Vec::new(), function: Vec::new(), in_function: false };
    finder.visit_file(&file);
    finder.sites.sort_by_key(|site| (site.range.start, std::cmp::Reverse(site.range.end)));
    Ok(finder.sites)
}

/// The file with every change whose number `number_of(site, mutant)` gives. What is returned beside it: the bytes of each, for the
/// compiler's errors to be matched with; a site's own whole range has no number.
pub fn render(source: &str, sites: &[Site], number_of: &dyn Fn(usize, usize) -> Option<u32>) -> (String, Vec<(Range<usize>, Vec<u32>)>) {
    let mut writer = Writer { source, sites, number_of, out: String::new(), ranges: Vec::new() };
    writer.range(0..source.len(), &mut 0);
    (writer.out, writer.ranges)
}

struct Writer<'a> {
    source: &'a str,
    sites: &'a [Site],
    number_of: &'a dyn Fn(usize, usize) -> Option<u32>,
    out: String,
    ranges: Vec<(Range<usize>, Vec<u32>)>,
}

impl Writer<'_> {
    fn range(&mut self, range: Range<usize>, next: &mut usize) {
        let mut at = range.start;
        while let Some(site) = self.sites.get(*next).filter(|site| site.range.end <= range.end && site.range.start < range.end) {
            let index = *next;
            *next += 1;
            self.out.push_str(&self.source[at..site.range.start]);
            at = site.range.end;
            self.site(index, site, next);
        }
        self.out.push_str(&self.source[at..range.end]);
    }

    fn site(&mut self, index: usize, site: &Site, next: &mut usize) {
        let numbered: Vec<_> =
            site.mutants.iter().enumerate().filter_map(|(i, mutant)| Some(((self.number_of)(index, i)?, mutant))).collect();
        let whole = self.out.len();
        if numbered.is_empty() {
            self.range(site.range.clone(), next);
            return;
        }
        match site.form {
            Form::Body => {
                self.out.push('{');
                for (number, mutant) in &numbered {
                    let code = match mutant.code.as_str() {
                        "" => format!("if crate::mutant({number}) {{ return; }}"),
                        code => format!("if crate::mutant({number}) {{ return {code}; }}"),
                    };
                    self.switched(*number, &code);
                }
                self.range(site.range.start + 1..site.range.end, next);
            }
            Form::Expression => {
                self.out.push('(');
                for (number, mutant) in &numbered {
                    self.switched(*number, &format!("if crate::mutant({number}) {{ {} }} else ", mutant.code));
                }
                self.out.push_str("{ ");
                self.range(site.range.clone(), next);
                self.out.push_str(" })");
            }
            Form::Guard => {
                let (outside, ranges) = (std::mem::take(&mut self.out), self.ranges.len());
                self.range(site.range.clone(), next);
                let inner = std::mem::replace(&mut self.out, outside);
                let mut code = "ORIGINAL".to_string();
                for (number, mutant) in &numbered {
                    code = mutant.code.replace("ACTIVE", &format!("crate::mutant({number})")).replace("ORIGINAL", &code);
                }
                let shift = self.out.len() + code.find("ORIGINAL").expect("it was put there");
                self.ranges[ranges..].iter_mut().for_each(|(range, _)| *range = range.start + shift..range.end + shift);
                self.switched(numbered[0].0, &code.replace("ORIGINAL", &inner));
            }
        }
        let numbers = numbered.iter().map(|(number, _)| *number).collect();
        self.ranges.push((whole..self.out.len(), numbers));
    }

    fn switched(&mut self, number: u32, code: &str) {
        let start = self.out.len();
        self.out.push_str(code);
        self.ranges.push((start..self.out.len(), vec![number]));
    }
}

struct Finder<'a> {
    source: &'a str,
    sites: Vec<Site>,
    function: Vec<String>,
    in_function: bool,
}

impl Finder<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    fn add(&mut self, span: Span, form: Form, changes: Vec<(String, String)>) {
        if changes.is_empty() {
            return;
        }
        let function = self.function.join("::");
        let line = span.start().line;
        let mutants = changes.into_iter().map(|(what, code)| Mutant { what, function: function.clone(), line, code }).collect();
        self.sites.push(Site { range: span.byte_range(), form, mutants });
    }

    fn function(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature, block: &syn::Block) {
        if is_test(attributes) || signature.constness.is_some() {
            return;
        }
        self.function.push(signature.ident.to_string());
        let outside = std::mem::replace(&mut self.in_function, true);
        if !block.stmts.is_empty() && signature.ident != "new" && signature.ident != "default" {
            let values = values_of_return(&signature.output);
            let changes = values
                .into_iter()
                .filter(|value| self.text(block.span()).trim_matches(['{', '}', ' ', '\n']) != value)
                .map(|value| (format!("body replaced by {}", if value.is_empty() { "()" } else { &value }), value))
                .collect();
            self.add(block.span(), Form::Body, changes);
        }
        visit::visit_block(self, block);
        self.in_function = outside;
        self.function.pop();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.attrs, &item.sig, block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of_what = item.trait_.as_ref().map(|(_, path, _)| path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default());
        if is_test(&item.attrs) || of_what.as_deref().is_some_and(|name| matches!(name, "Debug" | "Display" | "Default")) {
            return;
        }
        self.function.push(item.self_ty.to_token_stream().to_string().replace(' ', ""));
        visit::visit_item_impl(self, item);
        self.function.pop();
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    // What is evaluated when it is compiled has no switches.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if self.in_function && !has_let(&binary.left) && !has_let(&binary.right) {
            let (left, right) = (self.text(binary.left.span()).to_string(), self.text(binary.right.span()).to_string());
            let operator = self.text(binary.op.span()).to_string();
            let changes = others(&binary.op)
                .iter()
                .map(|other| (format!("{operator} replaced by {other}"), format!("{left} {other} {right}")))
                .collect();
            self.add(binary.span(), Form::Expression, changes);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        if self.in_function && !matches!(unary.op, syn::UnOp::Deref(_)) && !matches!(*unary.expr, syn::Expr::Lit(_)) {
            let inner = self.text(unary.expr.span()).to_string();
            self.add(unary.span(), Form::Expression, vec![(format!("{} removed", self.text(unary.op.span())), inner)]);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        let has_default = expression.arms.iter().any(|arm| matches!(arm.pat, syn::Pat::Wild(_)) && arm.guard.is_none());
        for arm in &expression.arms {
            let pattern = self.text(arm.pat.span()).to_string();
            match &arm.guard {
                Some((_, guard)) if !has_let(guard) => {
                    let changes = vec![
                        (format!("guard of {pattern} replaced by true"), "ACTIVE || (ORIGINAL)".to_string()),
                        (format!("guard of {pattern} replaced by false"), "!ACTIVE && (ORIGINAL)".to_string()),
                    ];
                    self.add(guard.span(), Form::Guard, changes);
                }
                None if has_default && !matches!(arm.pat, syn::Pat::Wild(_)) => {
                    let change = (format!("arm {pattern} removed"), "ORIGINAL if !ACTIVE".to_string());
                    self.add(arm.pat.span(), Form::Guard, vec![change]);
                }
                _ => {}
            }
        }
        visit::visit_expr_match(self, expression);
    }
}

/// Whether it is compiled for tests only.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test") || attribute.path().is_ident("cfg") && attribute.to_token_stream().to_string().contains("test")
    })
}

/// Whether it is a part of a chain with `let`, which no block can be put around.
fn has_let(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn others(operator: &syn::BinOp) -> &'static [&'static str] {
    use syn::BinOp::*;
    match operator {
        Eq(_) => &["!="],
        Ne(_) => &["=="],
        Lt(_) => &["==", ">", "<="],
        Gt(_) => &["==", "<", ">="],
        Le(_) => &[">", "<"],
        Ge(_) => &["<", ">"],
        And(_) => &["||"],
        Or(_) => &["&&"],
        Add(_) => &["-", "*"],
        Sub(_) => &["+", "/"],
        Mul(_) => &["+", "/"],
        Div(_) => &["%", "*"],
        Rem(_) => &["/", "+"],
        Shl(_) => &[">>"],
        Shr(_) => &["<<"],
        BitAnd(_) => &["|", "^"],
        BitOr(_) => &["&", "^"],
        BitXor(_) => &["|", "&"],
        AddAssign(_) => &["-=", "*="],
        SubAssign(_) => &["+=", "/="],
        MulAssign(_) => &["+=", "/="],
        DivAssign(_) => &["%=", "*="],
        BitAndAssign(_) => &["|=", "^="],
        BitOrAssign(_) => &["&=", "^="],
        _ => &[],
    }
}

/// What a function could return instead, as code. Nothing for `()`.
fn values_of_return(output: &syn::ReturnType) -> Vec<String> {
    match output {
        syn::ReturnType::Default => vec![String::new()],
        syn::ReturnType::Type(_, of) => values_of(of),
    }
}

fn values_of(of: &syn::Type) -> Vec<String> {
    let strings = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    match of {
        syn::Type::Tuple(tuple) if tuple.elems.is_empty() => strings(&["()"]),
        syn::Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return Vec::new() };
            let inner = |index: usize| match &last.arguments {
                syn::PathArguments::AngleBracketed(list) => match list.args.get(index) {
                    Some(syn::GenericArgument::Type(of)) => values_of(of),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            let wrapped = |name: &str, index| inner(index).into_iter().map(|value| format!("{name}({value})")).collect::<Vec<_>>();
            match last.ident.to_string().as_str() {
                "bool" => strings(&["true", "false"]),
                "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "Lsn" => strings(&["0", "1"]),
                "i8" | "i16" | "i32" | "i64" | "isize" => strings(&["0", "1", "-1"]),
                "String" => strings(&["String::new()", "\"xyzzy\".into()"]),
                "Vec" => strings(&["vec![]"]),
                "Option" => [vec!["None".to_string()], wrapped("Some", 0)].concat(),
                "Result" => wrapped("Ok", 0),
                "Self" | "Never" => Vec::new(),
                _ => strings(&["Default::default()"]),
            }
        }
        _ => Vec::new(),
    }
}
