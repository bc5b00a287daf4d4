"""FCIDUMP files for tests."""

from effbench.kernels.local_energy.integrals import ZERO


def write_fcidump(path, integrals):
    """Write each integral above 1e-14 Hartree once, to 17 digits, so that it is read back as it was."""
    n, electrons = integrals.orbitals, integrals.alpha + integrals.beta
    lines = [
        f"&FCI NORB={n},NELEC={electrons},MS2={integrals.alpha - integrals.beta},",
        f" ORBSYM={'1,' * n}",
        " ISYM=1,",
        "&END",
    ]
    pairs = [(p, q) for p in range(n) for q in range(p + 1)]
    for first, (p, q) in enumerate(pairs):
        for r, s in pairs[: first + 1]:
            if abs(integrals.two[p, q, r, s]) > ZERO:
                lines.append(f"{integrals.two[p, q, r, s]:.17g} {p + 1} {q + 1} {r + 1} {s + 1}")
    # The first one is there even if it is zero: a file without any is a truncated one.
    lines += [
        f"{integrals.one[p, q]:.17g} {p + 1} {q + 1} 0 0" for p, q in pairs if abs(integrals.one[p, q]) > ZERO or p == 0
    ]
    path.write_text("\n".join([*lines, f"{integrals.core:.17g} 0 0 0 0", ""]), "utf-8")
