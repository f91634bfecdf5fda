//! Explanations: they contain the numbers of the results, and give the facts behind them in both languages.

use scoring::{
    CONTRIBUTIONS, Explainer, Explanation, LOSS_DATA_JPY, LOSS_NETWORK_JPY, LOSS_SUPPLY_CAUSED_JPY,
    LOSS_SUPPLY_DIRECT_JPY, LOSSES, Lang, Model, Portfolio, Scores, name,
};

use crate::support::{as_of, example, read_tables};

fn scored(folder: &str) -> (Portfolio, Scores) {
    let portfolio = Portfolio::try_new(read_tables(&example(folder))).unwrap();
    let scores = scoring::score(&portfolio, &Model::default(), as_of()).unwrap();
    (portfolio, scores)
}

fn explain(folder: &str, code: &str) -> Explanation {
    let (portfolio, scores) = scored(folder);
    Explainer::new(&scores).unwrap().explain(portfolio.row_of(code).unwrap())
}

fn sentence(explanation: &Explanation, key: &str, lang: Lang) -> String {
    explanation.contributions.iter().find(|part| part.key == key).unwrap().sentence(lang)
}

#[test]
fn every_supplier_opens_into_the_numbers_of_its_results() {
    for folder in ["basics", "limits", "chain", "graph", "portfolio", "assessments", "overlap", "recovery"] {
        let (portfolio, scores) = scored(folder);
        let (table, explainer) = (scores.table().unwrap(), Explainer::new(&scores).unwrap());
        for row in 0..portfolio.supplier_count() {
            let number = |name: &str| table.column(name).unwrap().f64().unwrap().get(row).unwrap();
            let Explanation { contributions, losses, .. } = explainer.explain(row);

            assert!(contributions.iter().map(|part| part.key).eq(CONTRIBUTIONS));
            assert!(contributions.iter().all(|part| part.points == number(part.key)));

            assert!(losses.iter().map(|loss| loss.key).eq(LOSSES.map(|(key, ..)| key)));
            let sum = |keys: [&str; 3]| -> f64 {
                losses.iter().filter(|loss| keys.contains(&loss.key)).map(|loss| loss.yen).sum()
            };
            let direct = sum([LOSS_SUPPLY_DIRECT_JPY, LOSS_DATA_JPY, LOSS_NETWORK_JPY]);
            let caused = sum([LOSS_SUPPLY_CAUSED_JPY, LOSS_DATA_JPY, LOSS_NETWORK_JPY]);
            for (sum, total) in
                [(direct, name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY), (caused, name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY)]
            {
                assert!((sum - number(total)).abs() <= 1e-9 * sum.max(1.0), "{folder}, row {row}: {total}");
            }
        }
    }
}

#[test]
fn a_contribution_is_a_sentence_with_its_facts_and_points() {
    let explanation = explain("basics", "B05");

    assert_eq!(
        sentence(&explanation, name::POINTS_MONITORING, Lang::Ja),
        "1類に加入中（カバー率100.0%、2024-10-01から）: −4.0点"
    );
    assert_eq!(
        sentence(&explanation, name::POINTS_MONITORING, Lang::En),
        "enrolled in class 1 (coverage 100.0%, since 2024-10-01): −4.0 points"
    );
}

#[test]
fn a_loss_is_a_sentence_with_its_facts_and_yen() {
    let explanation = explain("chain", "T1");
    let data = explanation.losses.iter().find(|loss| loss.key == LOSS_DATA_JPY).unwrap();

    assert_eq!(data.sentence(Lang::Ja), "預けたデータ（機密情報）（年0.16回 × 1回¥30,000,000）: 年¥4,795,473");
    assert_eq!(
        data.sentence(Lang::En),
        "the buyer's data it holds (confidential data) (0.16 a year × ¥30,000,000 each): ¥4,795,473 a year"
    );
}

#[test]
fn the_main_reason_leaves_out_what_all_have_and_what_the_risk_score_does_not_hold() {
    assert_eq!(explain("basics", "B12").main_reason().unwrap().key, name::POINTS_HISTORY);
    assert_eq!(explain("chain", "LOOP1").main_reason(), None);
}

#[test]
fn a_control_is_a_sentence_with_its_assessment() {
    let said = |code: &str, key: &str| {
        let explanation = explain("assessments", code);
        [Lang::Ja, Lang::En].map(|lang| sentence(&explanation, key, lang))
    };
    assert_eq!(
        said("A003", name::POINTS_MFA),
        [
            "多要素認証は実施（第三者が2026-08-31に確認、確からしさ89%、一般には20%）: −4.3点",
            "MFA in place (verified by a third party on 2026-08-31; 89 % sure, 20 % of suppliers have it): −4.3 points",
        ]
    );
    assert_eq!(
        said("A022", name::POINTS_REMOTE_ACCESS),
        [
            "外部接続口の管理（VPN装置等の最新化、RDP非公開）は未実施（一部を含む）（自己申告、2026-08-31、確からしさ8%、一般には55%）: +4.5点",
            "remote access kept current: no (self-reported on 2026-08-31; 8 % sure, 55 % of suppliers have it): +4.5 points",
        ]
    );
    assert_eq!(
        said("A003", name::POINTS_EDR),
        ["EDRは未確認（平均的な会社とみなし、増減なし）: 0.0点", "EDR is not known (counted as average): 0.0 points",]
    );
}

#[test]
fn sentences_say_what_is_old_expired_contradicted_overlapping_or_scaled_down() {
    let (portfolio, all) = (["assessments", "overlap"], |folder: &str| {
        let (portfolio, scores) = scored(folder);
        let explainer = Explainer::new(&scores).unwrap();
        let rows = 0..portfolio.supplier_count();
        let parts = rows.flat_map(|row| explainer.explain(row).contributions);
        parts.map(|part| [Lang::Ja, Lang::En].map(|lang| part.sentence(lang))).collect::<Vec<_>>()
    });
    let sentences: Vec<_> = portfolio.into_iter().flat_map(all).collect();
    for [ja, en] in [
        ["一般には20%、鮮度50%）: −2.0点", "20 % of suppliers have it; freshness 50 %): −2.0 points"],
        ["、2026-07-02で期限切れ、鮮度23%）", "; expired on 2026-07-02, freshness 23 %)"],
        [
            "、自己申告（2026-03-14、実施）より第三者の確認を優先）",
            "; outweighs the self-report of 2026-03-14 (in place))",
        ],
        [
            "自社診断70点（自己申告、2026-08-31、平均45点）: −1.5点",
            "self-assessment 70 points (self-reported on 2026-08-31; mean 45): −1.5 points",
        ],
        [
            "自社診断−25点（第三者が2026-08-31に確認、平均45点）",
            "self-assessment −25 points (verified by a third party on",
        ],
        ["。他の証拠と重なるため25%を算入: ", "; overlaps with stronger evidence, 25 % counted: "],
        ["。下限に達したため縮小: ", "; scaled down, the floor is reached: "],
    ] {
        assert!(sentences.iter().any(|[found, other]| found.contains(ja) && other.contains(en)), "{ja}, {en}");
    }
    let overlaps = sentences.iter().filter(|[_, en]| en.contains("overlaps") && en.ends_with(": 0.0 points"));
    assert_eq!(overlaps.collect::<Vec<_>>(), Vec::<&[String; 2]>::new(), "what changes nothing overlaps with nothing");
}

#[test]
fn backups_are_a_sentence_about_the_downtime() {
    let downtime = |code: &str| explain("assessments", code).downtime.unwrap();
    let backups = |days: f64, before: f64| ((days * 10.0).round() / 10.0, (before * 10.0).round() / 10.0);
    let known = downtime("A032");
    assert_eq!(backups(known.days, known.days_without_backup), (4.4, 5.8));
    assert_eq!(
        known.sentence(Lang::Ja),
        "隔離したバックアップと復元試験は実施（事業者が確認）: 平均停止日数5.8日→4.4日"
    );
    assert_eq!(
        known.sentence(Lang::En),
        "tested off-line backup in place (verified by a provider): mean downtime 5.8 → 4.4 days"
    );
    assert_eq!(
        downtime("A003").sentence(Lang::Ja),
        "隔離したバックアップと復元試験は未確認（増減なし）: 平均停止日数5.8日"
    );
}

#[test]
fn a_model_of_format_1_knows_no_controls() {
    let portfolio = Portfolio::try_new(read_tables(&example("assessments"))).unwrap();
    let model = Model::parse(Model::TOML_2026_1).unwrap();
    let scores = scoring::score(&portfolio, &model, as_of()).unwrap();
    let explanation = Explainer::new(&scores).unwrap().explain(2);
    assert_eq!(explanation.downtime, None);
    let keys: Vec<_> = explanation.contributions.iter().map(|part| part.key).collect();
    assert_eq!(keys, scoring::contributions(scoring::Format::One).collect::<Vec<_>>());
    assert_eq!(keys.len(), 7);
}

#[test]
fn facts_kept_as_text_open_a_score_as_it_was() {
    let (portfolio, scores) = scored("assessments");
    let explainer = Explainer::new(&scores).unwrap();
    for row in 0..portfolio.supplier_count() {
        let facts = explainer.facts(row);
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<scoring::Facts>(&text).unwrap(), facts, "{text}");
    }
}
