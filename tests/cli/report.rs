//! What the command prints: the portfolio at a glance, and scores with their contributions.

use crate::support::{Folder, Score, example, sonae};

#[test]
fn without_out_the_portfolio_is_summed_up() {
    let text = Score::of(&example("portfolio")).run().ok().stdout();

    for part in [
        "取引先: 300社（2026-09-30時点、モデル 2026.2、SHA-256 ",
        "年間期待損失: ¥605,659,058",
        "お助け隊サービスの監視対象の取引先: 78 / 300（26.0%）",
        "年間取引額（直接の取引先）: ¥1,794,823,170",
        "監視対象の取引額割合: 28.7%",
        "事案の報告に合意した取引先: 128 / 300（42.7%）",
        "規模が不明な取引先: 13 / 300（4.3%）",
        "どれも記録がない取引先: 44 / 300（14.7%）",
        "S0000062",
        "任意です",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let english = Score::of(&example("portfolio")).english().run().ok().stdout();
    assert!(english.contains("expected annual loss: ¥605,659,058"), "{english}");
    assert!(english.contains("are all voluntary"), "{english}");
}

#[test]
fn grades_add_up_to_all_suppliers() {
    let text = Score::of(&example("portfolio")).run().ok().stdout();

    let grade = |letter: char| {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{letter} "))).unwrap();
        let counts: Vec<usize> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        (counts[0], counts[1])
    };
    let grades: Vec<_> = ('A'..='E').map(grade).collect();
    assert_eq!(grades.iter().map(|(own, _)| own).sum::<usize>(), 300);
    assert_eq!(grades.iter().map(|(_, chain)| chain).sum::<usize>(), 300);
}

#[test]
fn a_score_opens_into_its_sum_with_facts() {
    let text = Score::of(&example("basics")).arg("--explain").arg("B17").run().ok().stdout();

    for part in [
        "B17 重なる加入",
        "リスクスコア 55.1 C（90%区間 24.0〜70.7）",
        "+65.3  規模は中小企業、業種は製造業（E）",
        "−6.3  2類に加入中（カバー率60.0%、2025-06-15から）、1類に加入中（カバー率70.0%、うち40.0%を算入、2024-01-01から）",
        "0.0  SECURITY ACTION・SCSは未確認",
        "登録された上流の取引先はない",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn a_score_opens_into_its_controls_and_the_downtime() {
    let explain = |code: &str| Score::of(&example("assessments")).arg("--explain").arg(code);
    let text = explain("A032").run().ok().stdout();

    let controls = ["多要素認証は未確認（平均的な会社とみなし、増減なし）", "EDRは未確認", "自社診断は未確認"];
    for part in controls
        .into_iter()
        .chain(["  隔離したバックアップと復元試験は実施（事業者が確認）: 平均停止日数5.8日→4.4日\n"])
    {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let english = explain("A003").english().run().ok().stdout();
    for part in ["MFA in place (verified by a third party on 2026-08-31; ", "  tested off-line backup is not known: "] {
        assert!(english.contains(part), "{part} is missing in\n{english}");
    }
    let before = explain("A032").arg("--model").arg(example("../../model-2026.1.toml")).run().ok().stdout();
    assert!(!before.contains("多要素認証は") && !before.contains("平均停止日数"), "{before}");
}

#[test]
fn what_is_known_about_controls_is_summed_up() {
    let lines = |score: Score| {
        let text = score.run().ok().stdout();
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let found = lines(Score::of(&example("assessments")));
    for line in [
        "対策 確認記録あり 実施 事業者・第三者が確認",
        // Of 123 suppliers; the row of 2026-10-01 is of tomorrow.
        "隔離したバックアップと復元試験 17（13.8%） 12（9.8%） 13（10.6%）",
        "自社診断 34（27.6%） – 23（18.7%）",
    ] {
        assert!(found.iter().any(|found| found == line), "{line} is missing in\n{found:#?}");
    }
    let english = lines(Score::of(&example("assessments")).english());
    assert!(english.iter().any(|line| line == "self-assessment 34 (27.6%) – 23 (18.7%)"), "{english:#?}");
    let nothing = lines(Score::of(&example("portfolio")));
    assert!(!nothing.iter().any(|line| line.starts_with("対策 ")), "{nothing:#?}");
}

#[test]
fn every_fact_has_an_english_sentence() {
    let explain = |code: &str| {
        let folder = if code.starts_with('B') { "basics" } else { "chain" };
        Score::of(&example(folder)).arg("--explain").arg(code).english().run().ok().stdout()
    };
    for (code, sentence) in [
        ("B01", "size and section are unknown, so the highest multipliers hold"),
        ("B07", "the お助け隊 enrollment ended on 2025-10-01"),
        ("B10", "SCS ★3 (expired on 2026-06-30, 48.9% of its effect counted)"),
        ("B11", "1 harmful incident (over 2.0 discounted years of observation)"),
        ("B13", "500 blocked attacks not counted"),
        ("B18", "scaled down, as all controls together reach their limit"),
        ("B27", "enrolled in class 1 (coverage unknown, assumed 50.0%, since 2025-01-01)"),
        ("B15", "access to the buyer's network (privileged) (0.41 a year × ¥50,000,000 each)"),
        ("T1", "inherits stops of 2 upstream suppliers (T2A 98.4%, T2B 1.6%)"),
        ("T1", "its own incidents stop supply here and downstream (0.16 a year × ¥79,908,794 each)"),
    ] {
        let text = explain(code);
        assert!(text.contains(sentence), "{sentence} is missing in\n{text}");
    }
}

#[test]
fn what_is_assumed_or_cut_off_is_said() {
    let folder = Folder::empty()
        .with("suppliers.csv", "supplier_code,name,jsic_division,employee_count\nA,re\u{ad}d,24,2000\n")
        .with("certifications.csv", "supplier_code,scheme,issued_on\nA,isms,2026-01-01\n")
        .with("incidents.csv", format!("supplier_code,occurred_on,outcome\n{}", "A,2026-09-01,harmful\n".repeat(40)));

    let text = Score::of(folder.path()).arg("--explain").arg("A").run().ok().stdout();

    assert!(text.contains("ISMS（期限の記載がなく、2028-12-31まで有効と仮定）"), "{text}");
    assert!(text.contains("リスクスコア 100.0 E"), "{text}");
    assert!(text.contains("点。スコアは0〜100に収める"), "{text}");
    assert!(text.contains("A re\\u{ad}d"), "{text}");
}

#[test]
fn an_early_scs_certificate_is_taken_with_a_note() {
    let ran = Score::of(&example("chain")).english().run().ok();

    assert!(
        ran.stderr().contains("SCS ★3 and ★4 registration does not open before 2027; certificates dated earlier: 1")
    );
}

#[test]
fn no_suppliers_are_an_empty_report() {
    let folder = Folder::empty().with("suppliers.csv", "supplier_code\n");

    assert!(Score::of(folder.path()).run().ok().stdout().starts_with("取引先: 0社"));
}

#[test]
fn files_may_have_marks_quotes_line_ends_and_japanese_headings() {
    let folder = Folder::empty()
        .with("suppliers.csv", "\u{feff}\"取引先コード\",取引先名,従業員数,産業中分類,備考\r\nA,\"名前, 1\",120.0,09,\"備考,\n二行\"\r\n\r\nB,,,,x\r\n")
        .with("incidents.csv", "\u{feff}supplier_code,occurred_on,outcome,count\nA,2026-01-10,harmful,\n");

    let ran = Score::of(folder.path()).arg("--explain").arg("A").run().ok();

    assert!(ran.stdout().contains("規模は中小企業、業種は製造業（E）"), "{}", ran.stdout());
    assert!(ran.stdout().contains("実害のある事案1件"), "{}", ran.stdout());
    assert!(ran.stderr().contains("suppliers.csv: 読まなかった列: 備考"), "{}", ran.stderr());
}

#[test]
fn help_tells_what_the_command_does() {
    let help = |lang| {
        let help = sonae().args(["score", "--help", "--lang", lang]).output().unwrap();
        String::from_utf8(help.stdout).unwrap()
    };

    let (japanese, english) = (help("ja"), help("en"));
    assert!(japanese.contains("suppliers.csv") && japanese.contains("使い方: "), "{japanese}");
    assert!(english.contains("suppliers.csv") && english.contains("Usage: "), "{english}");
}
