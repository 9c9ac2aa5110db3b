//! The images of an attack in a file of NumPy's.

use std::{
    io::{Cursor, Write},
    path::Path,
};

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView4};
use ndarray_npy::{NpzWriter, WriteNpzError};

use super::Attacked;
use crate::{attack::Outcome, error::Result, model::ModelSpec, whole_file};

impl Attacked {
    /// Writes an NPZ archive, compressed and in one step, with the M images for which the attack has
    /// an answer.
    ///
    /// `index`, `label`, `predicted` (M, int64); `original`, `adversarial` (M, C, H, W, float32, in
    /// the model's pixel range); `l2` (M, float64, on pixels scaled to \[0, 1\]); `undetected` (M,
    /// bool); `log_prob_original`, `log_prob_adversarial` (M, K, float64, nats).
    ///
    /// # Errors
    /// [`crate::Error::Unwritable`].
    pub fn write_npz(&self, spec: &ModelSpec, path: &Path) -> Result<()> {
        // In memory first, where it cannot fail half-way.
        let archive = NpzWriter::new_compressed(Cursor::new(vec![]));
        let bytes = self.add_arrays(spec, archive).expect("memory takes every array");
        whole_file::write(path, |file| file.write_all(bytes.get_ref()))
    }

    fn add_arrays(
        &self,
        spec: &ModelSpec,
        mut archive: NpzWriter<Cursor<Vec<u8>>>,
    ) -> std::result::Result<Cursor<Vec<u8>>, WriteNpzError> {
        let places: Vec<usize> = (0..self.outcomes.len())
            .filter(|place| self.outcomes[*place].image.is_some())
            .collect();
        let of = |place: &usize| &self.outcomes[*place];
        let answer = |place: &usize| of(place).adversarial.as_ref().expect("it has an image");
        let integers =
            |value: &dyn Fn(&usize) -> i64| places.iter().map(value).collect::<Array1<_>>();
        let original = self.subjects.batch.x.select_columns(&places);
        let images = places.iter().filter_map(|place| of(place).image.as_ref()).flatten().copied();
        let adversarial = DMatrix::from_iterator(original.nrows(), places.len(), images);
        archive.add_array("index", &integers(&|place| of(place).index as i64))?;
        archive.add_array("label", &integers(&|place| self.labels[*place] as i64))?;
        archive.add_array(
            "predicted",
            &integers(&|place| answer(place).predicted.map_or(-1, |class| class as i64)),
        )?;
        for (name, x) in [("original", &original), ("adversarial", &adversarial)] {
            let shape = (places.len(), spec.image.channels, spec.image.height, spec.image.width);
            let x = ArrayView4::from_shape(shape, x.as_slice()).expect("columns are whole images");
            archive.add_array(name, &x)?;
        }
        let l2: Array1<f64> = places.iter().map(|place| answer(place).l2).collect();
        archive.add_array("l2", &l2)?;
        let undetected: Array1<bool> =
            places.iter().map(|place| answer(place).is_undetected()).collect();
        archive.add_array("undetected", &undetected)?;
        let densities = |of: &dyn Fn(&usize) -> Vec<f64>| {
            let values = places.iter().flat_map(of).collect::<Vec<_>>();
            Array2::from_shape_vec((places.len(), spec.classes.len()), values)
                .expect("one value a class")
        };
        let before = |outcome: &Outcome| outcome.original.log_prob.clone();
        archive.add_array("log_prob_original", &densities(&|place| before(of(place))))?;
        archive.add_array(
            "log_prob_adversarial",
            &densities(&|place| answer(place).log_prob.clone()),
        )?;
        archive.finish()
    }
}
