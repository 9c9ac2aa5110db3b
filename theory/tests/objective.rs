//! Equation 4 on the counter-example, and the units of section 4.2, by second methods.

use undetected_theory::*;

/// Ordinary and extreme choices.
fn examples() -> Vec<CounterExample> {
    let mut examples = Vec::new();
    for dim in [1, 2, 94, 500, 100_000] {
        for (lambda1, lambda2) in [(0.3, 0.1), (0.01, 0.7), (1e-300, 1e-302), (0.999, 1e-8)] {
            let lambda2 = Lambda2::Given(Weight::Value(lambda2));
            let lambda1 = Weight::Value(lambda1);
            examples.push(CounterExample::new(dim, 0.1, lambda1, lambda2).unwrap());
        }
    }
    examples
}

/// Rounding of logarithms as large as the parts.
fn tolerance(terms: &Decomposition) -> f64 {
    1e-14 * (terms.joint.nats.abs() + terms.image.nats.abs() + terms.label.nats.abs()).max(1.0)
}

#[test]
fn equation_4_holds_on_the_counter_example() {
    for example in examples() {
        let (p, q) = (example.data(), example.model());
        for (from, model) in [(p, q), (q, p), (p, p), (q, q)] {
            let terms = Decomposition::new(from, model);
            let error = terms.joint.nats - terms.image.nats - terms.label.nats;
            assert!(error.abs() < tolerance(&terms), "d = {}: {terms:?}", example.dim());
        }
    }
}

/// E_p[-ln q] exceeds the entropy of p by KL(p, q), and the other way round.
#[test]
fn excess_over_the_entropy_is_the_divergence() {
    for example in examples() {
        let (p, q) = (example.data(), example.model());
        for (from, model, kl) in [(p, q, example.kl_p_q()), (q, p, example.kl_q_p())] {
            let (cross, own) = (Decomposition::new(from, model), Decomposition::new(from, from));
            let excess = cross.joint.nats - own.joint.nats;
            assert!((excess - kl.joint()).abs() < 2.0 * tolerance(&cross), "{excess} {kl:?}");
        }
    }
}

/// A mean over samples of -ln q(x), which takes three values: off by a few standard errors at most.
#[test]
fn sampled_image_term_agrees() {
    for (seed, example) in examples().iter().enumerate() {
        let streams = Streams::new(seed as u64, "image term");
        let n = 20_000;
        let values = (0..n).map(|i| {
            -example.model().ln_density(example.data().sample_region(&mut streams.get(i)))
        });
        let mean = values.sum::<f64>() / n as f64;
        let levels = SUPPORT.map(|region| example.model().ln_density(region));
        let range = levels.iter().fold(f64::MIN, |a, &b| a.max(b))
            - levels.iter().fold(f64::MAX, |a, &b| a.min(b));
        let exact = Decomposition::new(example.data(), example.model()).image.nats;
        // Six standard errors of a variable in an interval of this length.
        assert!((mean - exact).abs() < 6.0 * range / 2.0 / (n as f64).sqrt(), "{mean} {exact}");
    }
}

/// Only the ball is uncertain, so the label costs what it costs there.
#[test]
fn label_term_is_that_of_the_ball() {
    for example in examples() {
        let posterior = example.model().posterior(Region::Ball).unwrap();
        let (l1, l2) = (example.ln_lambda1().exp(), example.ln_lambda2().exp());
        let ball = -(l1 * posterior.ln_class0() + l2 * posterior.ln_class1()) / 2.0;
        let label = Decomposition::new(example.data(), example.model()).label.nats;
        assert!((label - ball).abs() <= 1e-15 * ball.abs(), "{label} {ball}");
    }
}

/// Figures of the paper: table 1's likelihoods, ten classes, delta = 1e-5.
#[test]
fn the_papers_figures() {
    let cifar10 = Objective::new(10, 3072, 3.53, 1e-5).unwrap();
    let mnist = Objective::new(10, 1024, 1.00, 1e-5).unwrap();
    // "In the scale of thousands" is true of CIFAR10 in nats and in bits, of MNIST in bits alone.
    assert!((cifar10.image().bits() - 10_844.16).abs() < 1e-9);
    assert!((mnist.image().bits() - 1024.0).abs() < 1e-9);
    assert!((mnist.image().nats - 709.783).abs() < 1e-3);
    // log10(9 * 99999) = 5.954, log2 of it 19.78.
    assert!((cifar10.margin().digits() - 899_991f64.log10()).abs() < 1e-14);
    assert!((cifar10.margin().bits() - 899_991f64.log2()).abs() < 1e-13);
    let gap = cifar10.margin_printed().nats - cifar10.margin().nats;
    assert!((gap - (10.0f64 / 9.0).ln()).abs() < 1e-14);
    assert!((cifar10.share(cifar10.margin_printed()) - 0.001_838).abs() < 1e-6);
}

#[test]
fn wrong_values_are_refused() {
    for (classes, n_dims, bits_per_dim, delta, name) in [
        (1, 1, 1.0, 0.1, "classes"),
        (2, 0, 1.0, 0.1, "n_dims"),
        (2, 1, 0.0, 0.1, "bits_per_dim"),
        (2, 1, f64::INFINITY, 0.1, "bits_per_dim"),
        (2, 1, f64::NAN, 0.1, "bits_per_dim"),
        (2, 1, 1.0, 0.0, "delta"),
        (2, 1, 1.0, 1.0, "delta"),
        (2, 1, 1.0, f64::NAN, "delta"),
    ] {
        let error = Objective::new(classes, n_dims, bits_per_dim, delta).unwrap_err();
        assert!(matches!(error, Error::OutOfRange { name: n, .. } if n == name), "{error}");
    }
}
