//! results.csv and samples.csv as Parquet, for tools that want types.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use parquet::{
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use crate::output;

/// Rows that are in memory as text at once.
const GROUP: usize = 1 << 16;

/// What cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    /// A 64-bit seed, which may use every bit.
    Unsigned,
    Number,
    Bool,
}

use Kind::{Bool, Integer, Number, Text, Unsigned};

/// Name, kind, and whether cells may be empty.
type Column = (&'static str, Kind, bool);

/// Of results.csv ([`undetected_onnx::record::Row`]).
const RESULTS: [Column; 15] = [
    ("model", Text, false),
    ("dataset", Text, false),
    ("task", Text, false),
    ("statistic", Text, true),
    ("attack", Text, true),
    ("epsilon", Number, true),
    ("metric", Text, false),
    ("value", Number, false),
    ("low", Number, true),
    ("high", Number, true),
    ("n", Integer, false),
    ("unit", Text, false),
    ("engine", Text, false),
    ("device", Text, false),
    ("seed", Unsigned, false),
];

/// Of samples.csv ([`undetected_onnx::record::Sample`]).
const SAMPLES: [Column; 21] = [
    ("model", Text, false),
    ("dataset", Text, false),
    ("index", Integer, false),
    ("split", Text, false),
    ("label", Integer, true),
    ("predicted", Integer, true),
    ("confidence", Number, true),
    ("log_px_nats", Number, false),
    ("log_px_given_label_nats", Number, true),
    ("bits_per_dim", Number, false),
    ("joint_nats", Number, true),
    ("given_predicted_nats", Number, true),
    ("typicality_nats", Number, true),
    ("complexity_corrected_nats", Number, true),
    ("gradient_norm_nats_per_range", Number, true),
    ("accepted_marginal", Bool, true),
    ("accepted_joint", Bool, true),
    ("accepted_given_predicted", Bool, true),
    ("accepted_typicality", Bool, true),
    ("accepted_complexity_corrected", Bool, true),
    ("accepted_gradient_norm", Bool, true),
];

/// Writes results.parquet and, where there is a samples.csv, samples.parquet beside them: the same
/// columns and values, an empty cell as null. The files' names, with their number of rows.
///
/// # Errors
/// Where a CSV file is missing, damaged or has other columns, or a file cannot be written.
pub fn write(folder: &Path) -> anyhow::Result<Vec<(String, usize)>> {
    let mut written = vec![];
    let tables: [(&str, &[Column]); 2] = [("results", &RESULTS), ("samples", &SAMPLES)];
    for (name, columns) in tables {
        let csv = folder.join(format!("{name}.csv"));
        if name == "samples" && !csv.exists() {
            continue;
        }
        let shown = csv.display();
        let (bytes, rows) =
            encoded(&csv, columns).with_context(|| format!("cannot convert {shown}"))?;
        let file = format!("{name}.parquet");
        output::write_bytes(&folder.join(&file), &bytes)?;
        written.push((file, rows));
    }
    Ok(written)
}

/// The Parquet file of a CSV file, and its number of rows.
fn encoded(csv: &Path, columns: &[Column]) -> anyhow::Result<(Vec<u8>, usize)> {
    let mut reader = csv::Reader::from_path(csv)?;
    let header = reader.headers()?;
    if !header.iter().eq(columns.iter().map(|(name, ..)| *name)) {
        bail!(
            "it has other columns than this program writes; convert with the one that ran, or run again"
        );
    }
    let schema = Arc::new(parse_message_type(&schema(columns))?);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut rows = 0;
    let mut group = vec![];
    for record in reader.records() {
        group.push(record?);
        rows += 1;
        if group.len() == GROUP {
            write_group(writer.next_row_group()?, columns, &group)?;
            group.clear();
        }
    }
    if !group.is_empty() {
        write_group(writer.next_row_group()?, columns, &group)?;
    }
    writer.finish()?;
    Ok((std::mem::take(writer.inner_mut()), rows))
}

fn schema(columns: &[Column]) -> String {
    let field = |(name, kind, may_be_empty): &Column| {
        let presence = if *may_be_empty { "OPTIONAL" } else { "REQUIRED" };
        let (kind, meaning) = match kind {
            Text => ("BYTE_ARRAY", " (STRING)"),
            Integer => ("INT64", ""),
            Unsigned => ("INT64", " (INTEGER(64,false))"),
            Number => ("DOUBLE", ""),
            Bool => ("BOOLEAN", ""),
        };
        format!("{presence} {kind} {name}{meaning};")
    };
    format!("message row {{ {} }}", columns.iter().map(field).collect::<Vec<_>>().join(" "))
}

fn write_group(
    mut group: SerializedRowGroupWriter<'_, Vec<u8>>,
    columns: &[Column],
    rows: &[csv::StringRecord],
) -> anyhow::Result<()> {
    for (place, column) in columns.iter().enumerate() {
        let (name, kind, may_be_empty) = *column;
        let cells: Vec<&str> = rows.iter().map(|row| &row[place]).collect();
        let mut writer = group.next_column()?.context("the schema has every column")?;
        write_column(writer.untyped(), kind, may_be_empty, &cells)
            .with_context(|| format!("column '{name}'"))?;
        writer.close()?;
    }
    group.close()?;
    Ok(())
}

fn write_column(
    writer: &mut ColumnWriter<'_>,
    kind: Kind,
    may_be_empty: bool,
    cells: &[&str],
) -> anyhow::Result<()> {
    let there = |cell: &&&str| !may_be_empty || !cell.is_empty();
    let levels: Option<Vec<i16>> =
        may_be_empty.then(|| cells.iter().map(|cell| i16::from(!cell.is_empty())).collect());
    let levels = levels.as_deref();
    let cells = cells.iter().filter(there);
    match (kind, writer) {
        (Text, ColumnWriter::ByteArrayColumnWriter(writer)) => {
            let values: Vec<ByteArray> = cells.map(|cell| ByteArray::from(*cell)).collect();
            writer.write_batch(&values, levels, None)
        }
        (Integer, ColumnWriter::Int64ColumnWriter(writer)) => {
            writer.write_batch(&parsed::<i64>(cells)?, levels, None)
        }
        (Unsigned, ColumnWriter::Int64ColumnWriter(writer)) => {
            let values = parsed::<u64>(cells)?;
            let values: Vec<i64> = values.into_iter().map(u64::cast_signed).collect();
            writer.write_batch(&values, levels, None)
        }
        (Number, ColumnWriter::DoubleColumnWriter(writer)) => {
            writer.write_batch(&parsed::<f64>(cells)?, levels, None)
        }
        (Bool, ColumnWriter::BoolColumnWriter(writer)) => {
            writer.write_batch(&parsed::<bool>(cells)?, levels, None)
        }
        (kind, _) => Err(ParquetError::General(format!("the schema has no column of {kind:?}"))),
    }?;
    Ok(())
}

fn parsed<'a, T: std::str::FromStr>(
    cells: impl Iterator<Item = &'a &'a str>,
) -> anyhow::Result<Vec<T>> {
    let parse =
        |cell: &&str| cell.parse().ok().with_context(|| format!("'{cell}' is not of its type"));
    cells.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };

    const SMALL: [Column; 5] = [
        ("text", Text, true),
        ("integer", Integer, true),
        ("unsigned", Unsigned, false),
        ("number", Number, true),
        ("bool", Bool, true),
    ];

    fn written(rows: &str) -> anyhow::Result<Vec<Vec<Field>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, format!("text,integer,unsigned,number,bool\n{rows}")).unwrap();
        let (bytes, count) = encoded(&path, &SMALL)?;
        let file = folder.path().join("a.parquet");
        std::fs::write(&file, bytes).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
        let rows: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().get_column_iter().map(|(_, field)| field.clone()).collect())
            .collect();
        assert_eq!(rows.len(), count);
        Ok(rows)
    }

    /// Every kind to the last bit, empty cells as null, and more rows than a group takes.
    #[test]
    fn values_come_back() {
        let most = u64::MAX;
        let rows = written(&format!("a,-3,{most},0.1,true\n,,0,,\nb,4,1,-inf,false\n")).unwrap();
        let full = [
            Field::Str("a".to_owned()),
            Field::Long(-3),
            Field::ULong(most),
            Field::Double(0.1),
            Field::Bool(true),
        ];
        assert_eq!(rows[0], full);
        let empty = [Field::Null, Field::Null, Field::ULong(0), Field::Null, Field::Null];
        assert_eq!(rows[1], empty);
        assert_eq!(rows[2][3], Field::Double(f64::NEG_INFINITY));
        let many: String = (0..=GROUP).map(|place| format!(",{place},0,,\n")).collect();
        let many = written(&many).unwrap();
        assert_eq!(many.len(), GROUP + 1);
        assert_eq!(many[GROUP][1], Field::Long(GROUP as i64));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_column() {
        for (rows, column) in
            [("a,x,0,,\n", "integer"), ("a,1,,,\n", "unsigned"), ("a,1,1,,maybe\n", "bool")]
        {
            let error = format!("{:#}", written(rows).unwrap_err());
            assert!(error.contains(&format!("column '{column}'")), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("results.csv"), "model,dataset\n").unwrap();
        let error = format!("{:#}", write(folder.path()).unwrap_err());
        assert!(error.contains("results.csv") && error.contains("other columns"), "{error}");
    }
}
