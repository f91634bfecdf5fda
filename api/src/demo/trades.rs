//! The trades of the firms in a manufacturer's chain.

/// A kind of work, which decides how it is bought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Making,
    Trading,
    Moving,
    Upkeep,
    Digital,
}

use Work::{Digital, Making, Moving, Trading, Upkeep};

pub(super) struct Trade {
    /// The JSIC division.
    pub(super) division: &'static str,
    pub(super) work: Work,
    /// How common the trade is in each tier.
    pub(super) tiers: [u64; 4],
    /// The endings of its firms' names, with their readings.
    pub(super) words: &'static str,
    pub(super) items: &'static [&'static str],
}

const fn trade(
    division: &'static str,
    work: Work,
    tiers: [u64; 4],
    words: &'static str,
    items: &'static [&'static str],
) -> Trade {
    Trade { division, work, tiers, words, items }
}

pub(super) const PLATING: &str = "めっき加工";
pub(super) const MOULDS: &str = "樹脂金型";
pub(super) const HEAT: &str = "熱処理";
pub(super) const CLOUD: &str = "クラウド基盤";

pub(super) const TRADES: &[Trade] = &[
    trade("24", Making, [10, 16, 14, 10], "精工:セイコウ 金属:キンゾク", &["板金部品", "ねじ", "切削部品"]),
    trade("24", Making, [1, 5, 9, 6], "鍍金:メッキ 表面処理:ヒョウメンショリ", &[PLATING]),
    trade("24", Making, [1, 4, 6, 4], "熱錬:ネツレン 鍛工:タンコウ", &[HEAT]),
    trade("25", Making, [7, 9, 7, 4], "機械:キカイ 鉄工所:テッコウジョ", &["歯車", "軸受部品", "油圧部品"]),
    trade("26", Making, [5, 6, 6, 4], "金型:カナガタ 機工:キコウ", &[MOULDS, "プレス金型", "治具"]),
    trade("27", Making, [3, 2, 2, 0], "計器:ケイキ 光学:コウガク", &["計測器", "レンズ"]),
    trade("28", Making, [7, 6, 5, 4], "電子:デンシ 電子工業:デンシコウギョウ", &["基板", "センサー", "コネクター"]),
    trade("29", Making, [7, 6, 3, 2], "電機:デンキ 電装:デンソウ", &["モーター", "ワイヤーハーネス", "制御盤"]),
    trade("31", Making, [14, 9, 3, 0], "製作所:セイサクショ 工業:コウギョウ", &["ブラケット", "シャフト", "ポンプ"]),
    trade("18", Making, [6, 9, 8, 4], "樹脂:ジュシ 化成:カセイ", &["射出成形品", "樹脂カバー"]),
    trade("19", Making, [3, 3, 2, 2], "ゴム工業:ゴムコウギョウ", &["シール材", "防振ゴム"]),
    trade("16", Making, [3, 3, 5, 8], "化学:カガク ケミカル:ケミカル", &["塗料", "接着剤", "洗浄剤"]),
    trade("22", Making, [3, 5, 7, 12], "鋳造:チュウゾウ 特殊鋼:トクシュコウ", &["鋳物", "鋼材", "鍛造品"]),
    trade("23", Making, [3, 3, 4, 8], "軽金属:ケイキンゾク 伸銅:シンドウ", &["アルミダイカスト", "銅線"]),
    trade("21", Making, [1, 1, 2, 4], "硝子:ガラス 窯業:ヨウギョウ", &["ガラス部品", "セラミック部品"]),
    trade("14", Making, [2, 2, 2, 2], "紙器:シキ パッケージ:パッケージ", &["包装箱", "緩衝材"]),
    trade("15", Making, [2, 1, 1, 0], "印刷:インサツ", &["取扱説明書", "銘板"]),
    trade("12", Making, [1, 1, 1, 2], "木工:モッコウ", &["木製パレット"]),
    trade("44", Moving, [5, 4, 3, 3], "運輸:ウンユ 物流:ブツリュウ", &["部品輸送", "完成品輸送"]),
    trade("47", Moving, [3, 1, 1, 0], "倉庫:ソウコ", &["部品保管"]),
    trade("39", Digital, [7, 2, 1, 0], "システムズ:システムズ ソフト:ソフト", &["生産管理システム", "受発注システム"]),
    trade("40", Digital, [1, 1, 0, 0], "クラウド:クラウド ネットワークス:ネットワークス", &[CLOUD]),
    trade("53", Trading, [3, 3, 4, 6], "鋼材:コウザイ 商事:ショウジ", &["鋼板", "溶剤"]),
    trade("54", Trading, [3, 3, 2, 2], "商会:ショウカイ 機材:キザイ", &["工具", "電子部品"]),
    trade("74", Upkeep, [4, 1, 1, 0], "設計:セッケイ エンジニアリング:エンジニアリング", &["設計受託", "試験・分析"]),
    trade("90", Upkeep, [4, 2, 1, 1], "保全:ホゼン メンテナンス:メンテナンス", &["設備保守", "空調保守"]),
    trade("88", Upkeep, [2, 1, 1, 2], "環境:カンキョウ", &["廃液処理", "金属くずの回収"]),
    trade("92", Upkeep, [2, 1, 0, 0], "ビルサービス:ビルサービス", &["構内請負", "警備・清掃"]),
];

impl Trade {
    /// Returns the most employees of a micro firm and of an SME, and the capital above which a firm is large.
    pub(super) fn size_lines(&self) -> (u64, u64, u64) {
        match self.work {
            Trading => (5, 100, 100_000_000),
            Upkeep => (5, 100, 50_000_000),
            Digital if self.division == "39" => (5, 100, 50_000_000),
            Making | Moving | Digital => (20, 300, 300_000_000),
        }
    }
}
