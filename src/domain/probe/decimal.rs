//! Ratios of counts as decimal text, without floats: digits are cut, never rounded, so that `100` is said only of what
//! is whole.

/// `part` of `whole` in percent with so many decimals: `99.95`; `100` for all of it. `None` without a whole.
pub(super) fn percent_cut(part: u64, whole: u64, decimals: u32) -> Option<String> {
    if whole == 0 {
        return None;
    }
    if part >= whole {
        return Some("100".to_owned());
    }
    let scale = 10u128.pow(decimals);
    Some(fixed(u128::from(part) * 100 * scale / u128::from(whole), decimals))
}

/// `12345` with two decimals is `123.45`.
pub(super) fn fixed(scaled: u128, decimals: u32) -> String {
    let scale = 10u128.pow(decimals);
    let width = usize::try_from(decimals).unwrap_or(0);
    match decimals {
        0 => scaled.to_string(),
        _ => format!("{}.{:0width$}", scaled / scale, scaled % scale),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 0, None)]
    #[case(5, 5, Some("100"))]
    #[case(0, 5, Some("0.00"))]
    #[case(2, 3, Some("66.66"))]
    #[case(9_998, 10_000, Some("99.98"))]
    #[case(99_999, 100_000, Some("99.99"))]
    #[case(u64::MAX - 1, u64::MAX, Some("99.99"))]
    fn percents_are_cut_and_never_rounded(#[case] part: u64, #[case] whole: u64, #[case] expected: Option<&str>) {
        assert_eq!(percent_cut(part, whole, 2).as_deref(), expected);
    }
}
