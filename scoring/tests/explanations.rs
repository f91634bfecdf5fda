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
    for folder in ["basics", "limits", "chain", "graph", "portfolio"] {
        let (portfolio, scores) = scored(folder);
        let (table, explainer) = (scores.table().unwrap(), Explainer::new(&scores).unwrap());
        for row in 0..portfolio.supplier_count() {
            let number = |name: &str| table.column(name).unwrap().f64().unwrap().get(row).unwrap();
            let Explanation { contributions, losses } = explainer.explain(row);

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
fn facts_kept_as_text_open_a_score_as_it_was() {
    let (portfolio, scores) = scored("portfolio");
    let explainer = Explainer::new(&scores).unwrap();
    for row in 0..portfolio.supplier_count() {
        let facts = explainer.facts(row);
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<scoring::Facts>(&text).unwrap(), facts, "{text}");
    }
}
