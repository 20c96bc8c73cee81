"""What dvc.yaml, dvc.lock and *.dvc files say, form by form."""

import pytest

from trilock.server.domain.bundle import PipelineOutput
from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.pipeline.dvc_state import is_dvc_file, pipeline_outputs, state_digest

A, B = "a" * 32, "b" * 32


def read(**files: str) -> list[tuple[str, str | None, bool]]:
    """Read files given as `dvc_yaml="..."`."""
    raw = {name.replace("_", "."): text.encode() for name, text in files.items()}
    return [(each.path, each.digest, each.cached) for each in pipeline_outputs(raw)]


def lock(stage: str, *outs: str) -> str:
    rows = "".join(f"    - {{path: {out}, hash: md5, md5: {A}}}\n" for out in outs)
    return f"schema: '2.0'\nstages:\n  {stage}:\n    cmd: x\n    outs:\n{rows}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dvc.yaml", True),
        ("a/b/dvc.lock", True),
        ("data/flights.csv.dvc", True),
        (".dvc/config", False),
        (".dvc/tmp/x.dvc", False),
        ("a/.dvc/plots/x.dvc", False),
        (".dvc", False),
        ("dvc.yaml.bak", False),
        (".dvcignore", False),
    ],
)
def test_which_files_are_dvcs(path: str, *, expected: bool) -> None:
    assert is_dvc_file(path) is expected


def test_an_output_has_the_hash_of_the_lock() -> None:
    found = read(dvc_yaml="stages: {s: {cmd: x, outs: [m]}}", dvc_lock=lock("s", "m"))

    assert found == [("m", A, True)]


def test_an_output_without_a_lock_has_none() -> None:
    assert read(dvc_yaml="stages: {s: {cmd: x, outs: [m]}}") == [("m", None, True)]


def test_what_the_pipeline_no_longer_names_does_not_count() -> None:
    assert read(dvc_yaml="stages: {s: {cmd: x, outs: [m]}}", dvc_lock=lock("s", "m", "old")) == [
        ("m", A, True)
    ]
    assert read(dvc_yaml="stages: {}", dvc_lock=lock("old", "m")) == []


def test_metrics_and_plots_are_outputs() -> None:
    pipeline = """
        stages:
          s:
            cmd: x
            metrics: [{a.json: {cache: false}}]
            plots: [{b.csv: {x: t}}, {c.csv: [{x: t}, {cache: false}]}, d.csv]
    """

    assert read(dvc_yaml=pipeline) == [
        ("a.json", None, False),
        ("b.csv", None, True),
        ("c.csv", None, False),
        ("d.csv", None, True),
    ]


def test_paths_are_those_of_the_working_folder_of_the_stage() -> None:
    pipeline = "stages: {s: {cmd: x, wdir: sub, outs: [m, ../n]}}"

    assert read(dvc_yaml=pipeline, dvc_lock=lock("s", "m", "../n")) == [
        ("n", A, True),
        ("sub/m", A, True),
    ]


def test_a_folder_with_its_own_pipeline() -> None:
    outputs = pipeline_outputs(
        {
            "a/dvc.yaml": b"stages: {s: {cmd: x, outs: [m]}}",
            "a/dvc.lock": lock("s", "m").encode(),
            "b/dvc.yaml": b"stages: {s: {cmd: x, outs: [m]}}",
        }
    )

    assert [(each.path, each.digest) for each in outputs] == [("a/m", A), ("b/m", None)]


@pytest.mark.parametrize(
    ("pipeline", "stage", "out", "path"),
    [
        ("{foreach: [p], do: {cmd: x, outs: ['${item}.csv']}}", "s@p", "p.csv", "p.csv"),
        ("{foreach: '${names}', do: {cmd: x, outs: ['${item}.csv']}}", "s@p", "p.csv", "p.csv"),
        ("{foreach: {p: {a: 1}}, do: {cmd: x, wdir: '${key}', outs: [m]}}", "s@p", "m", "p/m"),
        ("{foreach: [p], do: {cmd: x, wdir: 'w/${item}', outs: [m]}}", "s@p", "m", "w/p/m"),
        ("{matrix: {a: [u]}, cmd: x, outs: ['${item.a}.csv']}", "s@u", "u.csv", "u.csv"),
        ("{cmd: x, outs: ['${out.folder}/m']}", "s", "d/m", "d/m"),
    ],
)
def test_a_template_is_matched_against_the_lock(
    pipeline: str, stage: str, out: str, path: str
) -> None:
    found = read(dvc_yaml=f"stages:\n  s: {pipeline}", dvc_lock=lock(stage, out))

    assert found == [(path, A, True)]


def test_a_template_that_is_not_cached() -> None:
    pipeline = "stages: {s: {foreach: [p, q], do: {cmd: x, outs: [{'${item}.n': {cache: false}}]}}}"

    assert read(dvc_yaml=pipeline, dvc_lock=lock("s@p", "p.n")) == [("p.n", A, False)]


def test_a_template_without_a_lock_is_kept_as_it_is() -> None:
    pipeline = "stages: {s: {foreach: [p], do: {cmd: x, outs: ['${item}.csv']}}}"

    assert read(dvc_yaml=pipeline) == [("${item}.csv", None, True)]


def test_a_working_folder_that_only_dvc_can_resolve_is_refused() -> None:
    pipeline = "stages: {s: {cmd: x, wdir: '${folder}', outs: [m]}}"

    with pytest.raises(PreconditionError, match=r"'\$\{folder\}' of stage 's' is a template"):
        read(dvc_yaml=pipeline, dvc_lock=lock("s", "m"))


def test_a_single_file() -> None:
    assert read(x_dvc=f"outs: [{{path: x, hash: md5, md5: {A}.dir, nfiles: 2, size: 3}}]") == [
        ("x", f"{A}.dir", True)
    ]


def test_a_single_file_with_a_working_folder_and_no_cache() -> None:
    assert read(x_dvc=f"wdir: ..\nouts: [{{path: x, md5: {A}, cache: false}}]") == [
        ("../x", A, False)
    ]


def test_an_import_that_was_not_downloaded_has_no_hash() -> None:
    assert read(x_dvc="outs: [{path: x, hash: md5}]") == [("x", None, True)]


@pytest.mark.parametrize(
    ("entry", "algorithm", "digest"),
    [
        (f"hash: md5, md5: {A}", "md5", A),
        (f"md5: {A}", "md5-dos2unix", A),
        ("etag: '\"x\"'", "etag", '"x"'),
        ("checksum: y", "checksum", "y"),
    ],
)
def test_which_algorithm_a_hash_is_of(entry: str, algorithm: str, digest: str) -> None:
    (output,) = pipeline_outputs({"x.dvc": f"outs: [{{path: x, {entry}}}]".encode()})

    assert (output.algorithm, output.digest) == (algorithm, digest)


def test_an_output_outside_the_repository_keeps_its_name() -> None:
    found = read(x_dvc=f"outs: [{{path: 's3://b/k', md5: {A}}}, {{path: /data/x, md5: {B}}}]")

    assert found == [("/data/x", B, True), ("s3://b/k", A, True)]


def test_a_folder_that_is_recorded_file_by_file() -> None:
    single = f"outs: [{{path: d, hash: md5, files: [{{relpath: a, md5: {A}, size: 1}}]}}]"

    assert read(x_dvc=single) == [("d/a", A, True)]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("dvc.yaml", "a: 1\nb: c: d\n", "it is not YAML (line 2)"),
        ("dvc.yaml", "- a", "it is not a mapping of names"),
        ("dvc.yaml", "1: 2", "it is not a mapping of names"),
        ("dvc.yaml", "stages: [a]", "'stages' is not a mapping of names"),
        ("dvc.yaml", "stages: {s: x}", "stage 's' is not a mapping of names"),
        ("dvc.yaml", "stages: {s: {outs: x}}", "'outs' of stage 's' is not a list"),
        ("dvc.yaml", "stages: {s: {outs: [[x]]}}", "an item in 'outs' of stage 's' is not"),
        ("dvc.yaml", "stages: {s: {outs: [{x: {cache: 1}}]}}", "'cache' is not true or false"),
        ("dvc.yaml", "stages: {s: {wdir: 1, outs: [x]}}", "'wdir' is not a text"),
        ("x.dvc", "outs: [{md5: x}]", "a path is not a text"),
        ("x.dvc", "outs: [{path: x, md5: ../../etc/passwd}]", "is not an MD5 digest"),
        ("x.dvc", f"outs: [{{path: x, md5: {A}, size: big}}]", "'size' of 'x' is not a number"),
        ("x.dvc", "a: 2001-99-99", "it is not YAML"),
        ("x.dvc", "a: !!python/object/apply:os.system [true]", "it is not YAML"),
        ("x.dvc", "\x00", "it is not YAML"),
    ],
)
def test_what_is_not_of_dvcs_form_is_refused_by_name(name: str, text: str, what: str) -> None:
    with pytest.raises(PreconditionError) as caught:
        pipeline_outputs({name: text.encode()})

    assert str(caught.value).startswith(f"'{name}' cannot be read: ")
    assert what in str(caught.value)


def test_a_lock_of_another_schema_is_refused() -> None:
    with pytest.raises(PreconditionError, match=r"'dvc\.lock' .* schema is '1\.0', not '2\.0'"):
        read(dvc_yaml="stages: {s: {cmd: x, outs: [m]}}", dvc_lock="schema: '1.0'")


def test_a_lock_that_is_broken_is_refused_even_if_nothing_needs_it() -> None:
    with pytest.raises(PreconditionError, match=r"'dvc\.lock' cannot be read"):
        read(dvc_lock="<<<<<<< HEAD\na: 1")


def test_empty_files_record_nothing() -> None:
    assert read(dvc_yaml="", dvc_lock="", x_dvc="") == []


def test_the_digest_does_not_depend_on_the_order() -> None:
    outputs = [
        PipelineOutput(path=path, algorithm="md5", digest=A, size=size, files=None, cached=True)
        for path, size in (("a", None), ("a", 1), ("b", None))
    ]

    assert state_digest(outputs) == state_digest(reversed(outputs))
    assert state_digest(outputs) != state_digest(outputs[1:])


def test_the_digest_is_the_same_in_every_version() -> None:
    output = PipelineOutput(path="a", algorithm="md5", digest=A, size=1, files=None, cached=True)

    assert state_digest([output]) == (
        "fad42bb94218c6083e77519e785740f91f9f7ce2d11831335b32a6e9d90bd80c"
    )
