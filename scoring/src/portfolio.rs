//! A portfolio: the six tables, checked once so that later stages can rely on them.

mod checks;
mod suppliers;

use chrono::NaiveDate;
use polars::prelude::*;

use crate::columns::Table;
use crate::columns::name::*;
use crate::days_from_date;
use crate::fault::Faults;
use crate::frame::days;
use crate::words::Lang;
use checks::{Conformed, Naming, with_texts};
pub use suppliers::Suppliers;

/// The tables of a portfolio as given: columns by name, in any order, others allowed.
///
/// A column that may be null may also be absent. A table without rows is [`Table::empty`].
#[derive(Debug, Clone)]
pub struct Tables {
    /// One row per supplier.
    pub suppliers: DataFrame,
    /// One row per supply; a null `downstream_code` is the buyer.
    pub relationships: DataFrame,
    /// One row per お助け隊 enrollment.
    pub enrollments: DataFrame,
    /// One row per certificate or declaration.
    pub certifications: DataFrame,
    /// One row for what somebody found out about one control.
    pub assessments: DataFrame,
    /// One row per incident, or for many blocked or contained ones.
    pub incidents: DataFrame,
}

impl Tables {
    /// Creates tables with suppliers only, about which nothing is known.
    pub fn of_suppliers(suppliers: DataFrame) -> Self {
        Self {
            suppliers,
            relationships: Table::Relationships.empty(),
            enrollments: Table::Enrollments.empty(),
            certifications: Table::Certifications.empty(),
            assessments: Table::Assessments.empty(),
            incidents: Table::Incidents.empty(),
        }
    }

    /// Returns the frame of a table.
    pub fn table(&self, table: Table) -> &DataFrame {
        match table {
            Table::Suppliers => &self.suppliers,
            Table::Relationships => &self.relationships,
            Table::Enrollments => &self.enrollments,
            Table::Certifications => &self.certifications,
            Table::Assessments => &self.assessments,
            Table::Incidents => &self.incidents,
        }
    }

    /// Returns the frame of a table, to read or replace.
    pub fn table_mut(&mut self, table: Table) -> &mut DataFrame {
        match table {
            Table::Suppliers => &mut self.suppliers,
            Table::Relationships => &mut self.relationships,
            Table::Enrollments => &mut self.enrollments,
            Table::Certifications => &mut self.certifications,
            Table::Assessments => &mut self.assessments,
            Table::Incidents => &mut self.incidents,
        }
    }
}

/// A checked portfolio.
///
/// `suppliers` is in ascending byte order of `supplier_code`. The other tables name a supplier by its row there, as
/// u32: `supplier`, or `upstream` and `downstream` (null = the buyer). Their rows are in no particular order, so a
/// stage sorts what it sums. Choices of relationships, assessments and incidents are numbers, u32.
#[derive(Debug, Clone)]
pub struct Portfolio {
    pub(crate) suppliers: DataFrame,
    pub(crate) relationships: DataFrame,
    pub(crate) enrollments: DataFrame,
    pub(crate) certifications: DataFrame,
    pub(crate) assessments: DataFrame,
    pub(crate) incidents: DataFrame,
    pub(crate) buyer_breach_loss_jpy: Option<f64>,
}

/// Something unusual in a portfolio that does not stop its scoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// SCS ★3 or ★4 from before its registration opens, which is not before 2027.
    EarlyScs {
        /// The number of such certifications.
        count: usize,
    },
}

impl Notice {
    /// Returns what is unusual.
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

/// Why tables do not make a portfolio.
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
    pub fn try_new(mut tables: Tables) -> Result<Self, PortfolioError> {
        let suppliers = Suppliers::new(&std::mem::take(&mut tables.suppliers))?;
        Self::assemble(suppliers, tables, |_| Naming::Code)
    }

    /// Checks tables that name suppliers by their row, like those of [`Portfolio::tables`]: `supplier`, or `upstream`
    /// and `downstream` (null = the buyer), u32, instead of codes. No code is looked up.
    ///
    /// `suppliers` must be in ascending byte order of `supplier_code`, without duplicates.
    ///
    /// # Errors
    /// Every fault of every table at once; suppliers in another order are an error of the caller.
    pub fn of_rows(mut tables: Tables) -> Result<Self, PortfolioError> {
        let suppliers = Suppliers::of_rows(&std::mem::take(&mut tables.suppliers))?;
        Self::assemble(suppliers, tables, |suppliers| Naming::Row(suppliers))
    }

    /// Checks tables that name suppliers by the rows that [`Suppliers::rows_of`] returns. Their own `suppliers` are
    /// ignored.
    ///
    /// # Errors
    /// Every fault of every table at once, including those of the suppliers. The fault of a code that no supplier has
    /// does not contain the code.
    pub fn of_suppliers(suppliers: Suppliers, tables: Tables) -> Result<Self, PortfolioError> {
        Self::assemble(suppliers, tables, |suppliers| Naming::Row(suppliers))
    }

    fn assemble(
        mut suppliers: Suppliers,
        tables: Tables,
        naming: impl for<'a> Fn(&'a Suppliers) -> Naming<'a>,
    ) -> Result<Self, PortfolioError> {
        let mut faults = std::mem::take(&mut suppliers.faults);
        let mut checked = |table, frame: DataFrame| {
            let conformed = Conformed::new(table, &frame, naming(&suppliers), &mut faults)?;
            drop(frame);
            conformed.check(&mut faults)?;
            conformed.resolved(&suppliers, &mut faults)
        };
        let relationships = checked(Table::Relationships, tables.relationships)?;
        let enrollments = checked(Table::Enrollments, tables.enrollments)?;
        let certifications = checked(Table::Certifications, tables.certifications)?;
        let assessments = checked(Table::Assessments, tables.assessments)?;
        let incidents = checked(Table::Incidents, tables.incidents)?;
        if !faults.is_empty() {
            faults.sort();
            return Err(PortfolioError::Faults(faults));
        }
        let suppliers = suppliers.frame;
        Ok(Self {
            suppliers,
            relationships,
            enrollments,
            certifications,
            assessments,
            incidents,
            buyer_breach_loss_jpy: None,
        })
    }

    /// Returns the tables, with suppliers named by their row, as [`Portfolio::of_rows`] takes them.
    ///
    /// # Errors
    /// None for a checked portfolio.
    pub fn tables(&self) -> PolarsResult<Tables> {
        Ok(Tables {
            suppliers: self.suppliers.clone(),
            relationships: with_texts(Table::Relationships, &self.relationships)?,
            enrollments: self.enrollments.clone(),
            certifications: self.certifications.clone(),
            assessments: with_texts(Table::Assessments, &self.assessments)?,
            incidents: with_texts(Table::Incidents, &self.incidents)?,
        })
    }

    /// Returns the number of rows of a table.
    pub fn row_count(&self, table: Table) -> usize {
        match table {
            Table::Suppliers => self.suppliers.height(),
            Table::Relationships => self.relationships.height(),
            Table::Enrollments => self.enrollments.height(),
            Table::Certifications => self.certifications.height(),
            Table::Assessments => self.assessments.height(),
            Table::Incidents => self.incidents.height(),
        }
    }

    /// Returns the same portfolio with the buyer's own loss from a breach of its network, in yen, 0 or more, which
    /// replaces the model's value.
    #[must_use]
    pub fn with_buyer_breach_loss(self, buyer_breach_loss_jpy: Option<f64>) -> Self {
        Self { buyer_breach_loss_jpy, ..self }
    }

    /// Returns what is unusual about it, without being a fault.
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

    /// Returns the row of a supplier, which is also its row in the results.
    pub fn row_of(&self, supplier_code: &str) -> Option<usize> {
        let codes = self.suppliers.column(SUPPLIER_CODE).ok()?.str().ok()?;
        codes.iter().position(|code| code == Some(supplier_code))
    }

    /// Returns the number of suppliers.
    pub fn supplier_count(&self) -> usize {
        self.suppliers.height()
    }
}
