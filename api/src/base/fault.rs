//! What is wrong with a field, a parameter or a cell: stable codes, and words in both languages.

use chrono::NaiveDate;
use schema::ValueError;
use scoring::{Lang, grouped};

use crate::base::text::{Text, printable};

/// Separates the name of a field from a place within it, where a JSON Pointer has its next `/`.
pub(crate) const WITHIN: char = '\u{1f}';

/// One fault of one field.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// The field, parameter or column. Empty if the whole is at fault.
    pub(crate) field: String,
    /// What it holds, if showing that helps.
    pub(crate) value: Option<String>,
    pub(crate) reason: Reason,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self { field: field.into(), value: None, reason }
    }
}

/// Why something is refused, or accepted with a warning. The codes are stable; the texts may change.
#[derive(Debug, Clone)]
pub(crate) enum Reason {
    /// A reason that the model also has, in the model's words.
    Model(scoring::Reason),
    /// A value that its type refuses.
    Value(ValueError),
    /// A JSON type other than the field's.
    WrongType(&'static str),
    /// No field, parameter or column has this name. Holds the known names.
    UnknownField(Vec<&'static str>),
    /// The same name twice.
    RepeatedField,
    /// Not a UUID.
    NotAnId,
    /// Not a moment.
    NotATime,
    /// None of these allowed values.
    NotOneOf(Vec<&'static str>),
    /// None of the values of a closed set. Holds the keys and their Japanese words.
    NotAChoice(&'static [(&'static str, &'static str)]),
    /// Two parameters that exclude each other.
    NotTogether(&'static str),
    /// A day after the buyer's today.
    InTheFuture(NaiveDate),
    /// An end on or before the start.
    EndsBeforeStart(&'static str, &'static str),
    /// A cursor that this service did not issue, or that belongs to another list.
    BadCursor,
    /// A cursor of scores that newer scores have replaced.
    ScoresReplaced,
    /// Another record has this key.
    KeyTaken,
    /// The key in the body differs from the key in the address.
    DiffersFromAddress,
    /// Another row of the file has the same key.
    RepeatedKey(u64),
    /// More or fewer cells than the header has.
    FieldCount { expected: usize, found: usize },
    /// Quotes that never close, or are followed by text.
    BadQuotes,
    /// Bytes that are not UTF-8. Holds the encoding that they seem to have.
    NotUtf8(Option<&'static str>),
    /// Text that was read in the wrong encoding somewhere before it came here.
    GarbledText,
    /// A line that is not a JSON object.
    NotAnObject,
    /// More rows, columns or characters than allowed.
    TooMuch { what: Text, max: u64 },
    /// More of something in one request than allowed.
    TooMany { what: Text, max: usize },
    /// A file that cannot be read as the format that it claims to be.
    Unreadable(Text),
    /// A fault of a file as a whole, with its own text.
    File { code: &'static str, text: Text },
    /// The disk has no space to unpack a file.
    NoRoom,
    /// A line that is too long; holds the maximum in bytes.
    LineTooLong(u64),
    /// A separator other than the comma.
    WrongSeparator,
    /// A line that is not JSON.
    MalformedJson,
    /// Two tables of one kind in one import.
    RepeatedTable,
    /// No supplier has this id.
    UnknownSupplierId,
    /// Not exactly one supplier that is assigned to the provider. Unknown, assigned to others, archived or merged away:
    /// all get this reason.
    NotAssigned,
    /// A source that is reserved for providers.
    ReservedSource,
    /// An assessment by a third party, which providers do not send.
    NotByProviders,
    /// Warns: the code leads to a supplier that was merged into another.
    MergedAway,
    /// Warns: the code leads to a supplier that a person has archived.
    StaysArchived,
    /// Warns: the evidence belongs to an archived supplier.
    SupplierArchived,
    /// Warns: a code has a character that only looks like a hyphen. Holds the code as it was accepted.
    OtherHyphen(String),
    /// Warns: a row of totals was left out.
    TotalRow,
    /// Warns: a row looks like a row of totals, but was accepted.
    LooksLikeTotal,
    /// Warns: the 法人番号 under this code changed.
    CorporateNumberChanged { was: String, now: String },
    /// Warns: a further code led to another supplier before.
    CodeMoved { was: String, now: String },
    /// Warns: other suppliers have the same name, apart from the legal form.
    SameName(Vec<String>),
    /// Two headings that mean the same column.
    RepeatedHeading(String, String),
    /// A table lacks a required column. Holds its heading, its name and the headings that were found.
    MissingColumn { heading: &'static str, name: &'static str, found: Vec<String> },
    /// Headings that seem to mean columns on which scores depend, but cannot be read as they are. Each comes with the
    /// heading of the column, if this table has it.
    UnreadColumns(Vec<(String, Option<&'static str>)>),
    /// An empty file.
    EmptyFile,
    /// Warns: a header without rows below it.
    NoRows,
    /// Rows were rejected, and the mode takes all rows or none.
    RejectedRows(u64),
    /// A file or workbook without any known table.
    NothingToImport,
    /// Too large a share of the records of a source would end.
    ReplaceNeedsConfirm { ended: u64, held: u64 },
    /// A formula's error value, such as `#N/A`.
    ErrorCell(String),
    /// A formula without a calculated value.
    Uncalculated,
    /// Not the code that was typed: a spreadsheet converted it.
    MadeOfCode(Made),
    /// A cell in a merged range, where only the first cell has a value.
    MergedCells(String),
    /// A hidden sheet that is named like a table. It is refused, or left out with a warning.
    HiddenSheet(String),
    /// Warns: another supplier has the same 法人番号.
    SameCorporateNumber(Vec<String>),
    /// Warns: SCS ★3 and ★4 cannot be registered yet.
    ScsNotOpen,
    /// Warns: the registered service has another class than the enrollment.
    ClassDiffers(&'static str),
    /// Warns: the record is retracted and stays so.
    StaysRetracted,
    /// Warns: a heading that matches no column.
    UnknownHeading,
    /// An import of rows that does not name their kind. Holds the known kinds.
    KindNeeded(Vec<&'static str>),
}

/// What a spreadsheet turned a typed code into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// A number with more digits than a spreadsheet keeps.
    LongNumber,
    Fraction,
    Date,
    Flag,
}

impl Reason {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Model(reason) => reason.code(),
            Self::Value(error) => value_code(error),
            Self::WrongType(_) => "wrong-type",
            Self::UnknownField(_) => "unknown-field",
            Self::RepeatedField => "repeated-field",
            Self::NotAnId => "not-an-id",
            Self::NotATime => "not-a-time",
            Self::NotOneOf(_) | Self::NotAChoice(_) => "unknown-choice",
            Self::NotTogether(_) => "not-together",
            Self::InTheFuture(_) => "in-the-future",
            Self::EndsBeforeStart(..) => "ends-before-start",
            Self::BadCursor => "bad-cursor",
            Self::ScoresReplaced => "scores-replaced",
            Self::KeyTaken => "key-taken",
            Self::DiffersFromAddress => "differs-from-address",
            Self::RepeatedKey(_) => "repeated-key",
            Self::FieldCount { .. } => "field-count",
            Self::BadQuotes => "bad-quotes",
            Self::NotUtf8(_) => "not-utf-8",
            Self::GarbledText => "garbled-text",
            Self::NotAnObject => "not-an-object",
            Self::TooMuch { .. } | Self::TooMany { .. } => "too-much",
            Self::Unreadable(_) => "unreadable",
            Self::File { code, .. } => code,
            Self::NoRoom => "no-room",
            Self::LineTooLong(_) => "line-too-long",
            Self::WrongSeparator => "wrong-separator",
            Self::MalformedJson => "malformed-json",
            Self::RepeatedTable => "repeated-table",
            Self::UnknownSupplierId => "unknown-supplier",
            Self::MergedAway => "merged-away",
            Self::StaysArchived => "stays-archived",
            Self::SupplierArchived => "supplier-archived",
            Self::OtherHyphen(_) => "other-hyphen",
            Self::TotalRow => "total-row",
            Self::LooksLikeTotal => "looks-like-total",
            Self::CorporateNumberChanged { .. } => "corporate-number-changed",
            Self::CodeMoved { .. } => "code-moved",
            Self::SameName(_) => "same-name",
            Self::RepeatedHeading(..) => "repeated-heading",
            Self::MissingColumn { .. } => "missing-column",
            Self::UnreadColumns(_) => "unread-column",
            Self::EmptyFile => "empty-file",
            Self::NoRows => "no-rows",
            Self::RejectedRows(_) => "rejected-rows",
            Self::NothingToImport => "nothing-to-import",
            Self::ReplaceNeedsConfirm { .. } => "replace-needs-confirm",
            Self::ErrorCell(_) => "error-cell",
            Self::Uncalculated => "uncalculated-formula",
            Self::MadeOfCode(_) => "not-text",
            Self::MergedCells(_) => "merged-cells",
            Self::HiddenSheet(_) => "hidden-sheet",
            Self::NotAssigned => "not-assigned",
            Self::ReservedSource => "reserved-source",
            Self::NotByProviders => "not-by-providers",
            Self::SameCorporateNumber(_) => "same-corporate-number",
            Self::ScsNotOpen => "scs-not-open",
            Self::ClassDiffers(_) => "class-differs",
            Self::StaysRetracted => "stays-retracted",
            Self::UnknownHeading => "unknown-heading",
            Self::KindNeeded(_) => "missing-value",
        }
    }

    /// Returns what is wrong and what to do.
    pub(crate) fn detail(&self) -> Text {
        let (ja, en): (String, String) = match self {
            Self::Model(reason) => return both(reason),
            Self::File { text, .. } => return text.clone(),
            Self::Value(error) => return value_detail(error),
            Self::WrongType(expected) => (
                format!("JSON の型が違います。{expected} にしてください"),
                format!("the JSON type is wrong; use {expected}"),
            ),
            Self::UnknownField(known) if known.is_empty() => {
                ("ここで使えるパラメーターはありません".into(), "this operation has no parameters; remove it".into())
            }
            Self::UnknownField(known) => {
                let known = known.join(", ");
                (
                    format!("この名前の項目はありません。使えるのは {known} です"),
                    format!("unknown name; use one of {known}"),
                )
            }
            Self::RepeatedField => {
                ("同じ名前が2度あります。1つにしてください".into(), "the name occurs twice; keep one".into())
            }
            Self::NotAnId => ("UUID ではありません".into(), "not a UUID".into()),
            Self::NotATime => (
                "2026-09-30T09:00:00+09:00 のように、時差つきの日時で書いてください".into(),
                "write it like 2026-09-30T09:00:00+09:00, with the offset".into(),
            ),
            Self::NotOneOf(values) => {
                let values = values.join(", ");
                (format!("次のいずれかにしてください: {values}"), format!("use one of {values}"))
            }
            Self::NotAChoice(words) => {
                let ja = words.iter().map(|(key, ja)| format!("{ja}（{key}）")).collect::<Vec<_>>().join("、");
                let en = words.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
                (format!("次のいずれかにしてください: {ja}"), format!("use one of {en}"))
            }
            Self::NotTogether(other) => {
                (format!("{other} と同時には使えません"), format!("it cannot be used together with {other}"))
            }
            Self::InTheFuture(today) => (
                format!("未来の日付です。発注者の今日（{today}）以前にしてください"),
                format!("the day is in the future; use the buyer's today ({today}) or an earlier day"),
            ),
            Self::EndsBeforeStart(end, start) => (
                format!("{end}（その日を含まない）を {start} より後にしてください"),
                format!("set {end}, which is exclusive, after {start}"),
            ),
            Self::BadCursor => (
                "この一覧のカーソルではありません。条件を変えたときは最初のページから取り直してください".into(),
                "not a cursor of this list; start from the first page when filters or sort have changed".into(),
            ),
            Self::ScoresReplaced => (
                "一覧の途中で新しいスコアに置き換わりました。最初のページから取り直してください".into(),
                "these scores have been replaced by newer ones; start from the first page".into(),
            ),
            Self::KeyTaken => (
                "このキーの記録が既にあります。その記録を変更するか、別のキーにしてください".into(),
                "another record has this key; change that one or use another key".into(),
            ),
            Self::DiffersFromAddress => (
                "アドレスのコードと違います。同じにするか、本文から除いてください".into(),
                "it differs from the code in the address; make them the same, or leave it out of the body".into(),
            ),
            Self::RepeatedKey(row) => (
                format!("{row}行目と同じキーです。どちらかを消すか直してください"),
                format!("row {row} has the same key; remove or correct one of the two"),
            ),
            Self::FieldCount { expected, found } => (
                format!("列の数が見出し（{expected}列）と違います（{found}列）。カンマと引用符を確かめてください"),
                format!(
                    "fields in this row: {found}, in the header: {expected}; correct the commas, and quote values that hold one"
                ),
            ),
            Self::BadQuotes => (
                "引用符が閉じていないか、閉じた後に文字があります。引用符を直してください".into(),
                "quotes do not close, or text follows them; correct the quotes".into(),
            ),
            Self::NotUtf8(encoding) => {
                let ja = encoding.map_or_else(String::new, |name| format!("（{name} のようです）"));
                let en = encoding.map_or_else(String::new, |name| format!(" (it seems to be {name})"));
                (
                    format!(
                        "UTF-8 ではありません{ja}。UTF-8 で保存し直してください。Excel なら「CSV UTF-8（コンマ区切り）」、会計・基幹システムなら出力の文字コードを UTF-8 にするか、メモ帳で開いて UTF-8 で保存します"
                    ),
                    format!(
                        "not UTF-8{en}; save the file as UTF-8: in Excel as CSV UTF-8 (comma delimited), elsewhere by the encoding of the export, or in a text editor"
                    ),
                )
            }
            Self::GarbledText => (
                "文字化けしています（別の文字コードとして読まれた跡があります）。元のシステムから UTF-8 で出力し直してください".into(),
                "the text is garbled: it was read in the wrong encoding before it was sent; export it again as UTF-8 from the system that it comes from".into(),
            ),
            Self::NotAnObject => (
                "JSON のオブジェクトではありません。1行に1つ、{ } で書いてください".into(),
                "not a JSON object; write one in braces on each line".into(),
            ),
            Self::TooMuch { what, max } => {
                let max = grouped(*max as f64);
                (
                    format!("{}は{max}までです。減らすか、ファイルを分けてください", what.ja),
                    format!("the maximum is {max} {}; use fewer, or split the file", what.en),
                )
            }
            Self::TooMany { what, max } => {
                let max = grouped(*max as f64);
                (
                    format!("{}は{max}件までです。減らして送り直してください", what.ja),
                    format!("a request may have at most {max} {}; send fewer", what.en),
                )
            }
            Self::Unreadable(why) => (
                format!("ファイルを読み取れません（{}）。開いて保存し直してください", why.ja),
                format!("the file cannot be read ({}); open and save it again", why.en),
            ),
            Self::LineTooLong(max) => (
                format!("1行が長すぎます（{max}バイトまで）。多くは閉じていない引用符（\"）が原因です。引用符と改行を確かめてください"),
                format!("a line has more than {max} bytes, usually because a quotation mark is not closed; check quotation marks and line breaks"),
            ),
            Self::WrongSeparator => (
                "区切りがカンマではありません。カンマ区切り（Excel なら「CSV UTF-8（コンマ区切り）」）で保存してください".into(),
                "the separator is not a comma; save the file with commas (in Excel: CSV UTF-8, comma delimited)".into(),
            ),
            Self::MalformedJson => (
                "JSON として読めません。引用符・かっこ・数値の書き方を確かめてください".into(),
                "not JSON; check quotes, braces and numbers".into(),
            ),
            Self::RepeatedTable => (
                "同じ種類の表が2つあります。1つにまとめるか、別々に取り込んでください".into(),
                "there are two tables of this kind; combine them, or import them one after the other".into(),
            ),
            Self::UnknownSupplierId => (
                "この ID の取引先はありません。GET /v1/suppliers で確かめてください".into(),
                "no supplier has this id; GET /v1/suppliers lists them".into(),
            ),
            Self::NotAssigned => (
                "担当として割り当てられた取引先1社に決まりません。コードか法人番号を確かめ、担当の割当は発注者に確かめてください".into(),
                "it does not identify one supplier that is assigned to you; check the code or 法人番号, and ask the buyer \
                 which suppliers are assigned to you"
                    .into(),
            ),
            Self::ReservedSource => (
                "provider: で始まる出所は、事業者が送るデータ専用です。別の名前にしてください".into(),
                "sources that begin with provider: are reserved for what providers send; use another name".into(),
            ),
            Self::NotByProviders => (
                "第三者の確認は、事業者からは送れません。自社で確認したものは verified_by_provider、取引先の申告は self_reported とし、第三者の確認は発注者に伝えてください".into(),
                "providers cannot send what a third party verified; send verified_by_provider for what you have checked, \
                 and self_reported for what the supplier says, and pass the third party's report on to the buyer"
                    .into(),
            ),
            Self::MergedAway => (
                "このコードの取引先はほかの取引先に統合されているため、変更していません。統合先のコードで送ってください".into(),
                "the supplier of this code was merged into another one and is left as it is; send the code of that one".into(),
            ),
            Self::StaysArchived => (
                "この取引先は取引終了（archive）のため、変更していません。取引を再開したときは restore で戻してから取り込んでください".into(),
                "the supplier of this code is archived and is left as it is; restore it, then import it again".into(),
            ),
            Self::SupplierArchived => (
                "この取引先は取引終了（archive）です。スコアには入りません。取引を再開したときは restore で戻してください".into(),
                "this supplier is archived and is not scored; use restore if it supplies again".into(),
            ),
            Self::OtherHyphen(code) => (
                format!("ハイフンに似た別の文字を「-」と読み、{code} として扱いました。元の表のコードを確かめてください"),
                format!("a character that only looks like a hyphen was read as one: {code}; check the code in the system that it comes from"),
            ),
            Self::TotalRow => (
                "合計の行とみて、取り込んでいません".into(),
                "this looks like a row of totals and was left out".into(),
            ),
            Self::LooksLikeTotal => (
                "合計などの行のようですが、取引先として取り込みました。取引先でなければ archive し、表から除いてください".into(),
                "this looks like a row of totals, but was imported as a supplier; if it is not one, archive it and remove the row".into(),
            ),
            Self::CorporateNumberChanged { was, now } => (
                format!(
                    "このコードの法人番号が {was} から {now} に変わりました。別の企業がコードを引き継いだのなら、これまでの記録は前の企業のものです。前の取引先を archive し、新しい企業には別のコードを使ってください"
                ),
                format!(
                    "the corporate number of this code changed from {was} to {now}; if the code now stands for another firm, archive the former supplier, to which the old evidence belongs, and give the new firm another code"
                ),
            ),
            Self::CodeMoved { was, now } => (
                format!("このコードは {was} を指していましたが、{now} に変わりました。誤りなら元に戻してください"),
                format!("the code belonged to {was} and now belongs to {now}; change it back if that is a mistake"),
            ),
            Self::SameName(codes) => {
                let codes = codes.join(", ");
                (
                    format!("同じ名前の取引先があります（{codes}）。同じ企業なら統合してください"),
                    format!("other suppliers have the same name ({codes}); merge them if they are one firm"),
                )
            }
            Self::RepeatedHeading(first, second) if first == second => (
                format!("「{first}」の列が2つあります。1つにしてください"),
                format!("the column {first} occurs twice; keep one"),
            ),
            Self::RepeatedHeading(first, second) => (
                format!("「{first}」と「{second}」は同じ列です。1つにしてください"),
                format!("{first} and {second} are the same column; keep one"),
            ),
            Self::MissingColumn { heading, name, found } => {
                let ja = found.join(", ");
                let (ja, en) = match found.as_slice() {
                    [] => ("ありません".to_owned(), "none".to_owned()),
                    _ => (ja.clone(), ja),
                };
                (
                    format!("{heading} の列がありません。この表の見出し: {ja}。1行目を見出しにし、{heading}（または {name}）の列を加えてください"),
                    format!("the column {name} ({heading}) is missing; headings of this table: {en}; make the first row the header, and add the column"),
                )
            }
            Self::UnreadColumns(columns) => {
                let ja = columns.iter().map(|(heading, column)| match column {
                    Some(column) => format!("「{heading}」（{column} に当たるようです）"),
                    None => format!("「{heading}」（この表の列ではありません）"),
                });
                let en = columns.iter().map(|(heading, column)| match column {
                    Some(column) => format!("{heading} (it seems to mean {column})"),
                    None => format!("{heading} (not a column of this table)"),
                });
                let (ja, en) = (ja.collect::<Vec<_>>().join("、"), en.collect::<Vec<_>>().join(", "));
                (
                    format!(
                        "スコアに関わる列を、このままでは取り込めません: {ja}。見出しと値をひな形に合わせるか、取り込まなくてよければ accept_unread_columns=true（コマンドでは --accept-unread-columns）を付けてください"
                    ),
                    format!(
                        "columns on which scores depend cannot be read as they are: {en}; write heading and values as in the template, or send accept_unread_columns=true (--accept-unread-columns on the command line) to ignore them"
                    ),
                )
            }
            Self::EmptyFile => (
                "ファイルに中身がありません。書き出しが終わっているか、別のファイルを選んでいないか確かめてください".into(),
                "the file is empty; check that it is the right one and that it was written completely".into(),
            ),
            Self::NoRows => (
                "見出しだけで、その下に行がありません".into(),
                "there is a header but no row below it".into(),
            ),
            Self::RejectedRows(count) => (
                format!("{count}行が不正のため、何も取り込んでいません。指摘された行を直して送り直すか、mode=accept_valid（コマンドでは --mode accept_valid）で正しい行だけを取り込んでください"),
                format!("rejected rows: {count}; nothing was imported. Correct these rows and send the file again, or import only the other rows with mode=accept_valid (--mode accept_valid on the command line)"),
            ),
            Self::NothingToImport => (
                "取り込める表がありません。シート名か見出しをひな形に合わせてください".into(),
                "there is no table to import; use the names of sheets and headings of the template".into(),
            ),
            Self::ReplaceNeedsConfirm { ended, held } => (
                format!(
                    "この出所の{held}件のうち{ended}件が終了になります（20%を超えます）。正しければ confirm=true（コマンドでは --confirm）を付けてください"
                ),
                format!(
                    "{ended} of {held} records of this source would end, more than 20%; if that is right, send confirm=true (--confirm on the command line)"
                ),
            ),
            Self::ErrorCell(error) => (
                format!("数式が誤り（{error}）です。値に直してください"),
                format!("the formula has the error {error}; write the value instead"),
            ),
            Self::Uncalculated => (
                "計算されていない数式です。Excel で開いて保存し、もう一度送ってください".into(),
                "a formula without a calculated value; open the file in Excel, save it, and send it again".into(),
            ),
            Self::MadeOfCode(made) => {
                let (ja, en) = match made {
                    Made::LongNumber => ("16桁以上の数値になっていて、16桁目から先が失われています", "a spreadsheet made it a number and keeps 15 digits; the others are lost"),
                    Made::Fraction => ("小数の数値になっています", "a spreadsheet made it a number with decimals"),
                    Made::Date => ("日付か時刻に変わっています", "a spreadsheet made it a date or a time"),
                    Made::Flag => ("TRUE/FALSE の値になっています", "a spreadsheet made it TRUE or FALSE"),
                };
                (
                    format!("{ja}。列の書式を「文字列」にして、入力し直してください"),
                    format!("{en}; set the column to text and type it again"),
                )
            }
            Self::MergedCells(range) => (
                format!("結合されたセル（{range}）です。結合を解除し、それぞれの行に値を入れてください"),
                format!("the cells {range} are merged; unmerge them and fill in each row"),
            ),
            Self::HiddenSheet(name) => {
                let name = printable(name);
                (
                    format!("非表示のシート「{name}」は取り込みません。取り込むときは再表示し、不要なら削除してください"),
                    format!("the sheet {name} is hidden and was not read; unhide it to import it, or delete it"),
                )
            }
            Self::NoRoom => (
                "サーバーのディスクに、このファイルを展開する空きがありません。管理者に伝え、後でもう一度送ってください".into(),
                "the disk of the service has no space to unpack this file; tell whoever runs the service, and send the file again later".into(),
            ),
            Self::SameCorporateNumber(codes) => {
                let codes = codes.join(", ");
                (
                    format!("同じ法人番号の取引先があります（{codes}）。同じ企業なら統合してください"),
                    format!(
                        "other suppliers have the same corporate number ({codes}); merge them if they are one firm"
                    ),
                )
            }
            Self::ScsNotOpen => (
                "SCS ★3・★4の登録は2027年より前には始まりません。取得日を確かめてください".into(),
                "registration of SCS ★3 and ★4 does not open before 2027; check the day of issue".into(),
            ),
            Self::ClassDiffers(class) => (
                format!("登録されたサービスの区分（{class}）と違います。スコアには加入の区分を使います"),
                format!("the registered service is {class}; the score uses the enrollment's own class"),
            ),
            Self::StaysRetracted => (
                "取り消された記録です。取り込んでも取り消しのままです。戻すときは restore を使ってください".into(),
                "the record was retracted and stays retracted; use restore if it is right after all".into(),
            ),
            Self::UnknownHeading => {
                ("未対応の見出しのため、この列は取り込みません".into(), "no column has this heading; it was not read".into())
            }
            Self::KindNeeded(kinds) => {
                let kinds = kinds.join(", ");
                (
                    format!("ファイルの内容を kind で指定してください（例: kind=suppliers）。使える値: {kinds}"),
                    format!("say what the file holds with kind, for example kind=suppliers; use one of {kinds}"),
                )
            }
        };
        Text { ja, en }
    }
}

const fn value_code(error: &ValueError) -> &'static str {
    match error {
        ValueError::Empty => "missing-value",
        ValueError::TooLong { .. } => "too-long",
        ValueError::ControlCharacter => "control-character",
        ValueError::NotDigits { .. } => "not-digits",
        ValueError::CheckDigit { .. } => "check-digit",
        ValueError::OutOfRange(..) => "out-of-range",
        ValueError::NotAnAddress => "not-an-address",
        ValueError::NotAMailAddress => "not-a-mail-address",
        ValueError::NotAPhoneNumber => "not-a-phone-number",
        ValueError::UnknownChoice => "unknown-choice",
    }
}

/// Returns what is wrong with a value that its type refuses, and what to do.
fn value_detail(error: &ValueError) -> Text {
    let (ja, en): (String, String) = match *error {
        ValueError::Empty => return both(&scoring::Reason::MissingValue),
        ValueError::OutOfRange(low, high) => return both(&scoring::Reason::OutOfRange(low, high)),
        ValueError::TooLong { max } => {
            (format!("{max}文字までにしてください"), format!("use at most {max} characters"))
        }
        ValueError::ControlCharacter => (
            "改行などの制御文字や、見えない文字（ソフトハイフン、幅のない空白など）は使えません。取り除いてください"
                .into(),
            "invisible characters (line breaks, soft hyphens, zero-width spaces) are not allowed; remove them".into(),
        ),
        ValueError::NotDigits { count } => (format!("数字{count}桁で書いてください"), format!("write {count} digits")),
        ValueError::CheckDigit { expected } => (
            format!("検査用数字（先頭）が合いません。ほかの12桁が正しければ {expected} です。番号を確かめてください"),
            format!("the check digit (the first) should be {expected} if the other 12 are right; check the number"),
        ),
        ValueError::NotAnAddress => (
            "http:// か https:// で始まるアドレスにしてください".into(),
            "write an address that begins with http:// or https://".into(),
        ),
        ValueError::NotAMailAddress => {
            ("name@example.jp のように書いてください".into(), "write it like name@example.jp".into())
        }
        ValueError::NotAPhoneNumber => (
            "03-1234-5678 のように、数字とハイフンで書いてください".into(),
            "write it like 03-1234-5678, with digits, spaces, +, - and parentheses".into(),
        ),
        ValueError::UnknownChoice => ("使えない値です".into(), "not a value of this field".into()),
    };
    Text { ja, en }
}

fn both(reason: &scoring::Reason) -> Text {
    let text = |lang: Lang, separator| format!("{}{separator}{}", reason.text(lang), reason.remedy(lang));
    Text { ja: text(Lang::Ja, "。"), en: text(Lang::En, "; ") }
}
