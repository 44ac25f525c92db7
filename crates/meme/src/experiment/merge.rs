//! Laying one TOML table over another.

use toml::{Table, Value};

use crate::{Error, Result};

/// Lays `over` on `base`: tables are merged key by key, everything else is replaced.
///
/// A table whose `kind` changes is replaced whole, since its other keys belong to the old kind.
pub(crate) fn overlay(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if same_kind(below, above) => {
                overlay(below, above);
            }
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

fn same_kind(below: &Table, above: &Table) -> bool {
    above.get("kind").is_none_or(|kind| below.get("kind") == Some(kind))
}

/// Applies `--set key.inner=value`; the key must exist, so that a misspelt one is noticed.
///
/// The value is TOML; a bare word counts as a string.
///
/// # Errors
/// [`Error::Usage`] naming the key.
pub(crate) fn set(table: &mut Table, assignment: &str) -> Result<()> {
    let (path, text) = assignment
        .split_once('=')
        .ok_or_else(|| Error::Usage(format!("--set {assignment}: write key=value")))?;
    let value = parse_value(text.trim());
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut place = table;
    for key in keys {
        let known = place.keys().cloned().collect::<Vec<_>>().join(", ");
        place = place.get_mut(key).and_then(Value::as_table_mut).ok_or_else(|| {
            Error::Usage(format!("--set {path}: there is no table `{key}`; known here: {known}"))
        })?;
    }
    if !place.contains_key(last) {
        let known = place.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(Error::Usage(format!(
            "--set {path}: there is no key `{last}`; known here: {known}"
        )));
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

fn parse_value(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn inner_tables_merge_and_a_new_kind_replaces() {
        let mut base = table("[a]\nx = 1\ny = 2\n[b]\nkind = 'vq'\nchannels = 128");
        overlay(&mut base, &table("[a]\ny = 3\n[b]\nkind = 'identity'"));
        assert_eq!(base, table("[a]\nx = 1\ny = 3\n[b]\nkind = 'identity'"));
    }

    #[test]
    fn a_set_key_must_exist_and_keeps_its_type() {
        let mut base = table("[train]\nimages = 1\nname = 'a'");
        set(&mut base, "train.images=320").unwrap();
        set(&mut base, "train.name=bare word").unwrap();
        assert_eq!(base, table("[train]\nimages = 320\nname = 'bare word'"));
        let refused = set(&mut base, "train.imagse=3").unwrap_err().to_string();
        assert_eq!(
            refused,
            "--set train.imagse: there is no key `imagse`; known here: images, name"
        );
    }
}
