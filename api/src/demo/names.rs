//! Names of firms that do not exist: place names made of two words, and what the firms do.

use super::draw::Draw;

// Each word has its reading.
const FIRST: &str = "\
    霧:キリ 楢:ナラ 榊:サカキ 檜:ヒノキ 椋:ムク 橡:トチ 柊:ヒイラギ 蓬:ヨモギ 葦:アシ 蔦:ツタ 苔:コケ 鴫:シギ \
    雉:キジ 鶉:ウズラ 鳶:トビ 梟:フクロウ 蛍:ホタル 鮎:アユ 鮒:フナ 狐:キツネ 兎:ウサギ 霜:シモ 靄:モヤ 鞠:マリ \
    雫:シズク 菫:スミレ 笙:ショウ 笛:フエ 鉾:ホコ 槌:ツチ 剣:ツルギ 鋤:スキ 臼:ウス 杵:キネ 繭:マユ 絹:キヌ";

const SECOND: &str = "\
    瀬:セ 窪:クボ 淵:フチ 渡:ワタリ 磯:イソ 堤:ツツミ 辻:ツジ 塚:ツカ 洲:ス 潟:ガタ 湊:ミナト 滝:タキ \
    峠:トウゲ 迫:サコ 畔:アゼ 郷:ゴウ 里:サト 橋:ハシ 杜:モリ 岬:ミサキ 嶺:ミネ 谷:タニ 棚:ダナ 倉:クラ \
    浜:ハマ 戸:ド 門:カド 城:シロ 関:セキ 牧:マキ 台:ダイ 汐:シオ";

/// A form of company: its kind in a 法人番号, and what is written before or after the name.
#[derive(Clone, Copy)]
pub(super) struct Form {
    kind: u64,
    before: &'static str,
    after: &'static str,
}

pub(super) const STOCK: Form = Form { kind: 1, before: "", after: "株式会社" };
pub(super) const STOCK_BEFORE: Form = Form { kind: 1, before: "株式会社", after: "" };
pub(super) const LIMITED: Form = Form { kind: 2, before: "有限会社", after: "" };
pub(super) const LLC: Form = Form { kind: 3, before: "合同会社", after: "" };

/// Returns the words of a list with their readings.
pub(super) fn read(list: &str) -> impl Iterator<Item = (&str, &str)> + Clone {
    list.split(' ').filter_map(|word| word.split_once(':'))
}

/// Returns the places with their readings, each for one firm.
pub(super) fn places(draw: &mut Draw) -> Vec<(String, String)> {
    let pairs = read(FIRST).flat_map(|first| read(SECOND).map(move |second| (first, second)));
    let mut places: Vec<_> = pairs.map(|(one, two)| ([one.0, two.0].concat(), [one.1, two.1].concat())).collect();
    draw.shuffle(&mut places);
    places
}

impl Form {
    pub(super) fn name(self, place: &str, word: &str) -> String {
        [self.before, place, word, self.after].concat()
    }
}

/// Returns the made-up 法人番号 with this serial number for a form of company.
///
/// After the check digit come four digits for the registry office (in published numbers they begin with 01 to 50, and with
/// 00 or 70 where no office registers the body), two for the kind of company and six of its own. No office is 9900.
pub(super) fn corporate_number(form: Form, serial: u64) -> String {
    // 48,611 is neither even nor a multiple of 5, so the last six digits differ.
    let base = format!("9900{:02}{:06}", form.kind, serial * 48_611 % 1_000_000);
    let digits = base.bytes().rev().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits.zip([1, 2].into_iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    format!("{}{base}", 9 - sum % 9)
}
