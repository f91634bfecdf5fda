//! A portfolio: the five tables, checked once, so that later stages can trust them.

mod checks;

use chrono::NaiveDate;
use polars::prelude::*;

use crate::columns::Table;
use crate::columns::name::*;
use crate::days_from_date;
use crate::fault::Faults;
use crate::frame::days;
use crate::words::Lang;
use checks::{Conformed, check_duplicates, own_checks};

/// The tables of a portfolio as they come: columns by name, in any order, others allowed.
///
/// A column that may be null may also be absent. A table without rows is [`Table::empty`].
#[derive(Debug, Clone)]
pub struct Tables {
    /// One row a firm.
    pub suppliers: DataFrame,
    /// One row a supply; a null `downstream_code` is the buyer.
    pub relationships: DataFrame,
    /// One row an お助け隊 enrollment.
    pub enrollments: DataFrame,
    /// One row a certificate or declaration.
    pub certifications: DataFrame,
    /// One row an incident, or many blocked or contained ones.
    pub incidents: DataFrame,
}

impl Tables {
    /// The suppliers alone, nothing known about them.
    pub fn of_suppliers(suppliers: DataFrame) -> Self {
        Self {
            suppliers,
            relationships: Table::Relationships.empty(),
            enrollments: Table::Enrollments.empty(),
            certifications: Table::Certifications.empty(),
            incidents: Table::Incidents.empty(),
        }
    }

    /// The frame of a table, to read or replace.
    pub fn table_mut(&mut self, table: Table) -> &mut DataFrame {
        match table {
            Table::Suppliers => &mut self.suppliers,
            Table::Relationships => &mut self.relationships,
            Table::Enrollments => &mut self.enrollments,
            Table::Certifications => &mut self.certifications,
            Table::Incidents => &mut self.incidents,
        }
    }
}

/// A checked portfolio.
///
/// `suppliers` is in ascending byte order of `supplier_code`. The other tables name a supplier by its row
/// there, as u32: `supplier`, or `upstream` and `downstream` (null = the buyer); their rows are in no
/// order, so a stage sorts what it sums.
#[derive(Debug, Clone)]
pub struct Portfolio {
    pub(crate) suppliers: DataFrame,
    pub(crate) relationships: DataFrame,
    pub(crate) enrollments: DataFrame,
    pub(crate) certifications: DataFrame,
    pub(crate) incidents: DataFrame,
    pub(crate) buyer_breach_loss_jpy: Option<f64>,
}

/// Something odd in a portfolio that does not stop its scoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// SCS ★3 or ★4 from before its registration opened, which is not before 2027.
    EarlyScs {
        /// How many certifications.
        count: usize,
    },
}

impl Notice {
    /// What is odd.
    pub fn text(&self, lang: Lang) -> String {
        match self {
            Self::EarlyScs { count } => lang.pick(
                format!("SCS ★3・★4の登録は2027年より前には始まりません。それより前の取得日が{count}件あります（そのまま計算します）"),
                format!(
                    "SCS ★3 and ★4 registration does not open before 2027; certificates dated earlier: {count} \
                     (counted as they stand)"
                ),
            ),
        }
    }
}

/// Why tables are no portfolio.
#[derive(Debug, thiserror::Error)]
pub enum PortfolioError {
    /// Rows or columns are at fault.
    #[error("{} faults in the portfolio", .0.count())]
    Faults(Faults),
    /// A step on a frame failed.
    #[error("a step on a data frame failed")]
    Frame(#[from] PolarsError),
}

impl Portfolio {
    /// Checks tables: names, types, nulls, ranges, codes, duplicates, and dates in order.
    ///
    /// # Errors
    /// Every fault of every table at once.
    pub fn try_new(tables: Tables) -> Result<Self, PortfolioError> {
        let mut faults = Faults::default();
        let suppliers = Conformed::new(Table::Suppliers, &tables.suppliers, &mut faults)?;
        suppliers.check(vec![], &mut faults)?;
        check_duplicates(&suppliers.frame, &mut faults)?;
        let has_codes = !suppliers.absent.contains(&SUPPLIER_CODE);
        let suppliers = suppliers.frame.sort([SUPPLIER_CODE], SortMultipleOptions::default())?;
        let codes = suppliers
            .select([SUPPLIER_CODE])?
            .with_row_index(SUPPLIER.into(), None)?
            .lazy()
            .unique_stable(Some(cols([SUPPLIER_CODE])), UniqueKeepStrategy::First)
            .collect()?;

        let mut resolve = |table, frame: DataFrame| {
            let conformed = Conformed::new(table, &frame, &mut faults)?;
            drop(frame);
            conformed.check(own_checks(table), &mut faults)?;
            conformed.resolve(&codes, has_codes, &mut faults)
        };
        let relationships = resolve(Table::Relationships, tables.relationships)?;
        let enrollments = resolve(Table::Enrollments, tables.enrollments)?;
        let certifications = resolve(Table::Certifications, tables.certifications)?;
        let incidents = resolve(Table::Incidents, tables.incidents)?;
        if !faults.is_empty() {
            faults.sort();
            return Err(PortfolioError::Faults(faults));
        }
        Ok(Self { suppliers, relationships, enrollments, certifications, incidents, buyer_breach_loss_jpy: None })
    }

    /// The same with the buyer's own loss from a breach of its network, in yen, 0 or more, in place of the model's.
    #[must_use]
    pub fn with_buyer_breach_loss(self, buyer_breach_loss_jpy: Option<f64>) -> Self {
        Self { buyer_breach_loss_jpy, ..self }
    }

    /// What is odd about it, though no fault.
    ///
    /// # Errors
    /// None for a checked portfolio.
    pub fn notices(&self) -> PolarsResult<Vec<Notice>> {
        let opens_on = days_from_date(NaiveDate::from_ymd_opt(2027, 1, 1).unwrap_or_default());
        let is_early =
            col(SCHEME).eq(lit("scs_3")).or(col(SCHEME).eq(lit("scs_4"))).and(days(ISSUED_ON).lt(lit(opens_on)));
        let count = self.certifications.clone().lazy().filter(is_early).collect()?.height();
        Ok((count > 0).then_some(Notice::EarlyScs { count }).into_iter().collect())
    }

    /// The row of a supplier, which is also its row in the results.
    pub fn row_of(&self, supplier_code: &str) -> Option<usize> {
        let codes = self.suppliers.column(SUPPLIER_CODE).ok()?.str().ok()?;
        codes.iter().position(|code| code == Some(supplier_code))
    }

    /// How many suppliers it has.
    pub fn supplier_count(&self) -> usize {
        self.suppliers.height()
    }
}
