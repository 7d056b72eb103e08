"""Command lines as a new user mistypes them, files that are not what they should be, and what --json prints: table-driven.

Each row: what is typed (words, {model} and the like are filled in), the exit code, what the sentence must hold.
"""

import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
import schema  # noqa: E402
import tiny_onnx  # noqa: E402
from program import BUILD, FAULTS, SOURCE, ProgramTest, npy  # noqa: E402


MISTYPED = [
    ("compil {model}", 2, ["no command 'compil'", "did you mean 'compile'"]),
    ("", 2, []),
    ("compile", 2, ["no model is given", "lathe compile --help"]),
    ("compile {model} {model}", 2, ["too many arguments"]),
    ("compile {model} --taget none", 2, ["no flag '--taget'", "did you mean '--target'"]),
    ("compile {model} --verfy=off", 2, ["no flag '--verfy'", "did you mean '--verify'"]),
    ("compile {model} --verify quik", 2, ["--verify", "quick"]),
    ("compile {model} --target", 2, ["--target"]),
    ("compile {model} --target ''", 0, []),
    ("compile {model} --target fault_non", 2, ["fault_non", "did you mean 'fault_none'"]),
    ("compile {model} --target fault_none:ON", 2, ["no device 'ON'", "did you mean 'ONE'", "ONE, TWO"]),
    ("compile {model} --target fault_none,fault_none:THREE", 2, ["no device 'THREE'", "ONE, TWO"]),
    ("compile {model} --target fault_none -mlevl=3", 2, ["no flag '-mlevl'", "did you mean 'mlevel'"]),
    ("compile {model} --target fault_none -mlevel=high", 2, ["level", "high"]),
    ("compile {model} --target fault_none --precision int8", 2, ["no precision 'int8'", "it declares: float32"]),
    ("compile {model} --target fault_none --precision flot32", 2, ["did you mean 'float32'"]),
    ("compile {model} --target fault_none --precision quant", 2, ["it declares: float32"]),
    ("compile {model} --target fault_none --option levl=2", 2, ["no target of this job has an option 'levl'", "did you mean 'level'"]),
    ("compile {model} --target fault_none --option level", 2, ["there is no '='"]),
    ("compile {model} --target fault_none --option level=two", 2, ["level", "two"]),
    ("compile {model} --target fault_none --option mode=fas", 2, ["mode", "did you mean 'fast'"]),
    ("compile {model} --target fault_none --option nobody.level=2", 2, ["no plugin 'nobody' takes part"]),
    ("compile {model} --target fault_none --option falt_none.level=2", 2, ["did you mean 'fault_none'"]),
    ("compile {model} --target fault_none --emit libary", 2, ["cannot emit 'libary'", "package"]),
    ("compile {model} --target fault_none --shape z=1x3", 2, ["'z'"]),
    ("compile {model} --target fault_none --shape x=1xthree", 2, ["gives no shape"]),
    ("compile {model} --target fault_none --shape x=1x3x4x6", 2, ["x"]),
    ("compile {model} --target fault_none --shape x", 2, ["there is no '='"]),
    ("compile {model} --target fault_none --width 9", 2, ["x"]),
    ("compile {model} --target fault_none --max-time soon", 2, ["--max-time"]),
    ("compile {model} --target fault_none --max-memory much", 2, ["no amount of memory"]),
    ("compile {model} --target fault_none --dump-after infer-type", 2, ["did you mean 'infer-types'"]),
    ("compile {model} --target fault_none --optimization category:kernel,level:9", 2, ["the level is 1, 2, 3 or 4"]),
    ("compile {model} --target fault_none --optimization category:graph,iterations:10", 2, ["not there yet"]),
    ("compile {model} --target fault_none --optimization kernel", 2, ["no key:value", "category:kernel"]),
    ("compile {model} --target fault_none --optimization category:kernl,level:2", 2, ["did you mean 'kernel'"]),
    ("compile {model} --target fault_none --layout NHWC --optimization category:kernel,level:2", 2, ["level 3 or more"]),
    ("compile {model} --target fault_none --layout NCWH", 2, ["--layout"]),
    ("compile nowhere.onnx", 1, ["no file 'nowhere.onnx'"]),
    ("compile .", 1, ["is a folder"]),
    ("compile {text} --target fault_none", 1, ["notes.txt"]),
    ("compile {empty} --target fault_none", 1, ["empty.onnx"]),
    ("compile {truncated} --target fault_none", 1, []),
    ("compile {model} --target fault_none -o {text}/sub", 1, ["notes.txt"]),
    ("compile {model} --target fault_none --pipeline nowhere.yaml", 1, ["nowhere.yaml"]),
    ("compile {conv} --target fault_none", 3, ["node 'first'", "node 'last'", "only Relu of float32 is compiled"]),
    ("compile {unknown} --target fault_none", 3, ["'strange'", "Frobnicate"]),
    ("targets nothing", 2, ["nothing"]),
    ("targets falt_none", 2, ["did you mean 'fault_none'"]),
    ("passes --target nothing", 2, ["nothing"]),
    ("inspect nowhere", 1, ["nowhere"]),
    ("inspect {text}", 1, ["notes.txt"]),
    ("inspect .", 1, ["no package"]),
    ("run nowhere", 1, ["nowhere"]),
    ("run {model}", 1, ["model.onnx"]),
    ("bench", 2, ["ARTIFACT"]),
    ("bench {artifact} --runs 0", 2, ["--runs"]),
    ("run {artifact}", 2, ["input 'x' is missing", "--input x=FILE"]),
    ("run {artifact} --input nowhere.npy", 1, ["nowhere.npy"]),
    ("run {artifact} --input z={npy}", 2, ["no input 'z'"]),
    ("run {artifact} --input {npy} --input {npy}", 2, ["several files"]),
    ("run {artifact} --input {wrong_shape}", 1, ["does not fit input 'x'", "expected float[1,3,4,5]", "found float[3,4,5]"]),
    ("run {artifact} --input {text}", 1, ["no tensor or picture file"]),
    ("run {artifact} --input {damaged}", 1, ["no valid .npy file"]),
    ("run {artifact} --input {short}", 1, ["not the size", "240 bytes", "5 bytes"]),
    ("run {artifact} --input {npy} --inference_context gpu", 2, ["--inference_context gpu"]),
    ("verify {model}", 2, ["ARTIFACT"]),
    ("verify {conv} {artifact}", 1, ["input 'x'", "another model"]),
    ("plugin", 2, ["subcommand"]),
    ("plugin check nowhere", 2, ["nowhere"]),
    ("plugin new --kind bakend mine", 2, ["bakend"]),
    ("completion tcsh", 2, ["bash"]),
    ("bench {artifact} --log-level loud", 2, ["--log-level"]),
]

PIPELINES = [
    ("pipeline: [infer-type]", ["pipeline.yaml:1:", "did you mean 'infer-types'"]),
    ("pipeline:\n  - infer-types\n  - fold-constants: {limt: 3}\n", ["pipeline.yaml:3:", "did you mean 'limit'"]),
    ("pipeline:\n  - fold-constants: {limit: many}\n", ["pipeline.yaml:2:", "many"]),
    ("pipelines:\n  - infer-types\n", ["pipeline.yaml:1:"]),
    ("pipeline: infer-types\n", ["pipeline.yaml:1:"]),
    ("pipeline: [\n", ["pipeline.yaml:"]),
    ("- infer-types\n", ["pipeline.yaml:1:"]),
]


class Base(ProgramTest):
    def setUp(self):
        super().setUp()
        self.files = {
            "model": self.write("model.onnx", tiny_onnx.relu()),
            "conv": self.write("conv.onnx", tiny_onnx.convolution_relu()),
            "unknown": self.write("unknown.onnx", tiny_onnx.model([tiny_onnx.node("Frobnicate", ["x"], ["y"], "strange")], [tiny_onnx.value_info("x", (1,))], [tiny_onnx.value_info("y", (1,))])),
            "text": self.write("notes.txt", "these are notes\n"),
            "empty": self.write("empty.onnx", b""),
            "truncated": self.write("truncated.onnx", tiny_onnx.convolution_relu()[:200]),
            "npy": self.write("x.npy", npy((1, 3, 4, 5), [i - 30 for i in range(60)])),
            "wrong_shape": self.write("wrong.npy", npy((3, 4, 5), [0.0] * 60)),
            "damaged": self.write("damaged.npy", npy((1, 3, 4, 5), [0.0] * 60)[:150]),
            "short": self.write("short.bin", b"12345"),
            "artifact": "",
        }

    def make_artifact(self):
        done = self.lathe("compile", self.files["model"], "--target", "fault_none", "-o", "made", fault="none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.files["artifact"] = done.stdout.splitlines()[-1]


class CommandLines(Base):
    def test_table(self):
        self.make_artifact()
        for line, code, words in MISTYPED:
            arguments = [word.strip("'").format(**self.files) for word in line.split()]
            with self.subTest(line):
                done = self.lathe(*arguments, fault="none")
                if code == 0:
                    self.assertEqual(done.returncode, 0, done.stderr)
                else:
                    self.assert_fails(done, code, *words)
                self.assertNotIn("terminate called", done.stderr)

    def test_failures_as_json(self):
        self.make_artifact()
        wanted = schema.load(SOURCE, "error")
        for line, code, _ in MISTYPED:
            if not line or code == 0:
                continue
            arguments = [word.strip("'").format(**self.files) for word in line.split()]
            with self.subTest(line):
                document = self.lathe_json(*arguments, code=code, fault="none")
                self.assertEqual(schema.problems(document, wanted), [])
                self.assertEqual(document["error"]["code"], code)
                self.assertTrue(document["error"]["diagnostics"])

    def test_nothing_is_left_behind(self):
        before = sorted(p.name for p in self.folder.iterdir())
        for line, code, _ in MISTYPED:
            if line.startswith("compile") and code:
                self.lathe(*[word.strip("'").format(**self.files) for word in line.split()], fault="none")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir() if p.name != "state"), before)

    def test_all_problems_of_a_model_at_once(self):
        document = self.lathe_json("compile", self.files["conv"], "--target", "fault_none", code=3, fault="none")
        nodes = [d.get("node") for d in document["error"]["diagnostics"]]
        self.assertEqual(nodes, ["first", "last"])

    def test_pipelines(self):
        for text, words in PIPELINES:
            with self.subTest(text):
                path = self.write("pipeline.yaml", text)
                self.assert_fails(self.lathe("compile", self.files["model"], "--target", "fault_none", "--pipeline", path, fault="none"), 2, *words)

    def test_help_and_version(self):
        for command in ["", "compile", "targets", "ops", "passes", "inspect", "run", "predict", "bench", "verify", "plugin", "doctor", "completion"]:
            done = self.lathe(*command.split(), "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn("xample", done.stdout, command)
            self.assertIn("lathe", done.stdout)
        self.assertIn("lathe ", self.lathe("--version").stdout)
        self.assertNotIn("worker", self.lathe("--help").stdout)


class Documents(Base):
    """--json of every command against its schema."""

    def check(self, name, *arguments, **options):
        document = self.lathe_json(*arguments, **options)
        self.assertEqual(schema.problems(document, schema.load(SOURCE, name)), [], name)
        return document

    def test_commands(self):
        compiled = self.check("compile", "compile", self.files["model"], "--target", "fault_none", "-o", "made", fault="none")
        artifact = compiled["artifact"]
        self.assertEqual(compiled["verification"]["state"], "agrees")
        self.check("targets", "targets", fault="none")
        self.check("target", "targets", "fault_none", fault="none")
        self.check("ops", "ops")
        self.check("passes", "passes")
        self.check("pipeline", "passes", "--target", "fault_none", fault="none")
        self.check("inspect", "inspect", compiled["package"], fault="none")
        self.check("run", "run", artifact, "--input", self.files["npy"], "--output", "results", fault="none")
        bench = self.check("bench", "bench", artifact, "--runs", 5, fault="none")
        self.assertLessEqual(bench["min_ms"], bench["median_ms"])
        self.assertLessEqual(bench["median_ms"], bench["p99_ms"])
        self.assertEqual(bench["runs"], 5)
        self.check("bench", "bench", artifact, "--runs", 2, "--profile", fault="none")
        self.check("verify", "verify", self.files["model"], artifact, fault="none")
        self.check("plugin-list", "plugin", "list", fault="none")
        self.check("plugin-check", "plugin", "check", FAULTS / "fault_none")
        self.check("plugin-check", "plugin", "check", FAULTS / "fault_crash", code=1)
        made = self.check("plugin-new", "plugin", "new", "--kind", "pass", "--name", "mine")
        self.assertTrue(all((self.folder / file).exists() for file in made["files"]))
        self.check("completion", "completion", "bash")
        document = json.loads(self.lathe("doctor", "--json").stdout)
        self.assertEqual(schema.problems(document, schema.load(SOURCE, "doctor")), [])
        asked = self.check("ops", "ops", "--target", "fault_none", fault="none")
        answers = {o["name"]: o["target"]["answer"] for o in asked["operators"]}
        self.assertEqual(answers["Relu"], "taken")
        self.assertEqual(answers["Conv"], "refused")

    def test_package(self):
        package = pathlib.Path(self.check("compile", "compile", self.files["model"], "--target", "fault_none", "-o", "made", fault="none")["package"])
        for name, file in [("package", f"{package.name}.json"), ("manifest", "manifest.json")]:
            self.assertEqual(schema.problems(json.loads((package / file).read_text()), schema.load(SOURCE, name)), [])

    def test_every_schema_is_used(self):
        text = "".join(path.read_text() for path in [*pathlib.Path(__file__).parent.glob("*.py"), SOURCE / "tests" / "conformance" / "packages.py"])
        for path in (SOURCE / "docs" / "schemas").glob("*.json"):
            name = path.name.removesuffix(".schema.json")
            self.assertIn(f'"{name}"', text, f"{path.name} is checked nowhere")


class Results(Base):
    """What a successful compile leaves and prints."""

    def test_same_bytes_twice(self):
        for folder in ["first", "second"]:
            done = self.lathe("compile", self.files["model"], "--target", "fault_none", "-o", folder, fault="none")
            self.assertEqual(done.returncode, 0, done.stderr)
        names = [sorted(p.relative_to(self.folder / f) for p in (self.folder / f).rglob("*") if p.is_file()) for f in ["first", "second"]]
        self.assertEqual(names[0], names[1])
        self.assertEqual(len(names[0]), 3)
        for name in names[0]:
            self.assertEqual((self.folder / "first" / name).read_bytes(), (self.folder / "second" / name).read_bytes(), name)

    def test_time_enters_only_on_demand(self):
        self.environment["SOURCE_DATE_EPOCH"] = "1700000000"
        package = pathlib.Path(self.lathe_json("compile", self.files["model"], "--target", "fault_none", fault="none")["package"])
        self.assertEqual(json.loads((package / "manifest.json").read_text())["time"], 1700000000)

    def test_an_older_package_is_replaced_and_nothing_else(self):
        self.make_artifact()
        package = pathlib.Path(self.files["artifact"]).parent
        (package / "stale").write_text("old")
        (package.parent / "bystander").write_text("mine")
        self.make_artifact()
        self.assertFalse((package / "stale").exists())
        self.assertEqual(sorted(p.name for p in package.parent.iterdir()), ["bystander", package.name])

    def test_a_folder_of_somebody_elses_is_kept(self):
        self.make_artifact()
        package = pathlib.Path(self.files["artifact"]).parent
        (package / "manifest.json").unlink()
        done = self.lathe("compile", self.files["model"], "--target", "fault_none", "-o", "made", fault="none")
        self.assert_fails(done, 1, "is in the way", "no package")
        self.assertTrue(package.exists())

    def test_names(self):
        line = ["compile", self.files["model"], "--target", "faulty:TWO", "--name-prefix", "My Model", "--model-version", "3", "--precision", "float16"]
        done = self.lathe(*line, fault="none")
        if done.returncode == 2:  # a runtime's name is only known where a manifest says so
            done = self.lathe(*[w.replace("faulty:TWO", "fault_none:two") for w in line], fault="none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.folder / "my_model--5x4_float_faulty_two_3").is_dir())

    def test_picture_size_and_labels(self):
        shape = (1, 3, 8, 16)
        self.write("named.onnx", tiny_onnx.model([tiny_onnx.node("Relu", ["x"], ["y"])], [tiny_onnx.value_info("x", ("N", 3, "H", "W"))], [tiny_onnx.value_info("y", ("N", 3, "H", "W"))],
                                                 metadata=[("names", "{0: 'cat', 1: \"dog's\"}")]))
        package = pathlib.Path(self.lathe_json("compile", "named.onnx", "--target", "fault_none", "--shape", "x=1x?x?x?", "--width", shape[3], "--height", shape[2], fault="none")["package"])
        self.assertEqual(package.name, "named--16x8_float_faulty_one_1")
        self.assertEqual(json.loads((package / "labels_named.json").read_text()), {"0": "cat", "1": "dog's"})
        described = json.loads((package / f"{package.name}.json").read_text())
        self.assertEqual(described["POST_PROCESS"][0]["OutputNumClasses"], 2)
        self.assertEqual([described["PRE_PROCESS"][0][k] for k in ("InputW", "InputH", "InputC")], [16, 8, 3])

    def test_a_final_zip_map_leaves_its_scores(self):
        classes = tiny_onnx.attribute_strings("classlabels_strings", ["cat", "dog"])
        relu, zip_map = tiny_onnx.node("Relu", ["x"], ["s"]), tiny_onnx.node("ZipMap", ["s"], ["scores"], "zip", [classes], "ai.onnx.ml")
        self.write("zip.onnx", tiny_onnx.model([relu, zip_map], [tiny_onnx.value_info("x", (3, 2))], [tiny_onnx.sequence_of_maps("scores")]))
        done = self.lathe("compile", "zip.onnx", "--target", "onnx", "-o", "made")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "'zip'.*no maps.*'scores'.*'cat', 'dog'")
        package = pathlib.Path(done.stdout.splitlines()[-1]).parent
        self.assertEqual(json.loads((package / "labels_zip.json").read_text()), {"0": "cat", "1": "dog"})
        # Read by somebody, the maps are still refused.
        reader = tiny_onnx.node("SequenceLength", ["scores"], ["n"])
        self.write("read.onnx", tiny_onnx.model([relu, zip_map, reader], [tiny_onnx.value_info("x", (3, 2))], [tiny_onnx.value_info("n", (), tiny_onnx.INT64)]))
        self.assert_fails(self.lathe("compile", "read.onnx", "--target", "onnx"), 3, "'zip'", "ZipMap", "maps", "zipmap")

    def test_open_shapes_are_refused_by_a_target_that_wants_numbers(self):
        self.write("open.onnx", tiny_onnx.relu((1, 3, "H", "W")))
        self.assert_fails(self.lathe("compile", "open.onnx", "--target", "fault_none", fault="none"), 3, "input 'x'", "--shape x=")

    def test_an_open_batch_is_one(self):
        self.write("batch.onnx", tiny_onnx.relu(("N", 3, 4, 5)))
        done = self.lathe("compile", "batch.onnx", "--target", "fault_none", fault="none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("note: the first dimension of input 'x' is open and was taken as 1", done.stderr)
        artifact = done.stdout.splitlines()[-1]
        run = self.lathe_json("run", artifact, "--input", self.files["npy"], "--output", "results", fault="none")
        self.assertEqual(run["outputs"][0]["shape"], [1, 3, 4, 5])

    def test_leip_spellings(self):
        done = self.lathe("compile", "--input_path", self.files["model"], "--output_path", "leip", "--layout", "nhwc", "--target", "fault_none", fault="none")
        self.assert_fails(done, 3, "Transpose")  # which that backend does not take: the layout did arrive
        done = self.lathe("compile", "--input_path", self.files["model"], "--output_path", "leip", "--target", "fault_none", "--compile_optimization", "category:kernel,level:2", fault="none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.folder / "leip").is_dir())

    def test_flags_of_a_target_quoted_and_not(self):
        for words in [["--target", "fault_none -mlevel=4"], ["--target", "fault_none", "-mlevel=4"], ["--target=fault_none", "-mlevel=4"]]:
            package = pathlib.Path(self.lathe_json("compile", *words, self.files["model"], fault="none")["package"])
            self.assertEqual(json.loads((package / "manifest.json").read_text())["stages"][0]["settings"]["level"], "4")

    def test_quiet_and_plain_lines(self):
        done = self.lathe("compile", self.files["model"], "--target", "fault_none", fault="none")
        self.assertIn("lathe: compile (fault_none)\n", done.stderr)
        self.assertNotIn("\033", done.stderr)
        done = self.lathe("compile", self.files["model"], "--target", "fault_none", "--quiet", fault="none")
        self.assertEqual(done.stderr, "")

    def test_dumps_and_timings(self):
        done = self.lathe("compile", self.files["conv"], "--target", "fault_none", "--dump-after", "all", "--verify-each", "--timings", fault="none")
        self.assertEqual(done.returncode, 3)
        done = self.lathe("compile", self.files["model"], "--target", "fault_none", "--dump-after", "infer-types", "--verify-each", "--timings", fault="none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Relu", done.stderr)
        self.assertIn("eliminate-dead-code", done.stderr)

    def test_emit_names_the_file(self):
        done = self.lathe("compile", self.files["model"], "--target", "fault_none", "--emit", "library", "-o", "here/my.flt", fault="none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [str(self.folder / "here" / "my.flt")])
        self.assertEqual([p.name for p in (self.folder / "here").iterdir()], ["my.flt"])


class Arrays(Base):
    """What numpy writes in all its forms is read, and what is written numpy reads."""

    def test_files_of_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        self.make_artifact()
        values = numpy.linspace(-3, 3, 60, dtype=numpy.float32).reshape(1, 3, 4, 5)
        wanted = numpy.maximum(values, 0)
        numpy.save(self.folder / "plain.npy", values)
        numpy.save(self.folder / "big.npy", values.astype(">f4"))
        numpy.save(self.folder / "columns.npy", numpy.asfortranarray(values))
        numpy.savez(self.folder / "stored.npz", x=values, other=numpy.arange(3))
        numpy.savez_compressed(self.folder / "deflated.npz", values)
        values.tofile(self.folder / "raw.bin")
        for name in ["plain.npy", "big.npy", "columns.npy", "stored.npz", "deflated.npz", "raw.bin"]:
            with self.subTest(name):
                document = self.lathe_json("run", self.files["artifact"], "--input", f"x={name}", "--output", "results", fault="none")
                self.assertTrue(numpy.array_equal(numpy.load(self.folder / document["outputs"][0]["file"]), wanted))
                self.assertAlmostEqual(document["outputs"][0]["max"], 3.0)
        numpy.save(self.folder / "double.npy", values.astype(numpy.float64))
        self.assert_fails(self.lathe("run", self.files["artifact"], "--input", "double.npy", fault="none"), 1, "expected float[1,3,4,5]", "found double[1,3,4,5]")
        self.assert_fails(self.lathe("run", self.files["model"], "--input", "plain.npy", fault="none"), 1, "this is a model, not something compiled", "lathe compile")


class Stages(Base):
    """--target a,b: a model falls into parts, and runs as one."""

    def setUp(self):
        super().setUp()
        self.second = next((p.stem for p in (BUILD / "lib/lathe/plugins").glob("*.so") if '"runs-on-host"' in self.traits(p.stem)), None)
        if not self.second:
            self.skipTest("no installed target runs the rest on this machine")

    def traits(self, name):
        done = self.lathe("targets", name, "--json")
        return json.dumps(json.loads(done.stdout).get("traits", [])) if done.returncode == 0 else ""

    def test_two_targets(self):
        document = self.lathe_json("compile", self.files["conv"], "--target", f"fault_none,{self.second}", "-o", "made", fault="none")
        self.assertEqual([s["target"].split(":")[0] for s in document["stages"]], [self.second, "fault_none", self.second])
        self.assertEqual(document["artifact"], document["package"])
        self.assertEqual(document["verification"]["state"], "agrees")
        package = pathlib.Path(document["package"])
        self.assertEqual(package.name, "conv--8x8_float_faulty_one_1")
        for name, file in [("package", f"{package.name}.json"), ("manifest", "manifest.json")]:
            self.assertEqual(schema.problems(json.loads((package / file).read_text()), schema.load(SOURCE, name)), [])
        done = self.lathe("verify", self.files["conv"], package, "--full", fault="none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write("conv.npy", npy((1, 3, 8, 8), [(i % 17) / 17 for i in range(192)]))
        run = self.lathe_json("run", package, "--input", "conv.npy", "--output", "results", fault="none")
        self.assertEqual(run["outputs"][0]["shape"], [1, 2, 8, 8])
        self.assertEqual(self.lathe_json("bench", package, "--runs", 3, fault="none")["runs"], 3)

    def test_one_file_cannot_hold_two_stages(self):
        done = self.lathe("compile", self.files["conv"], "--target", f"fault_none,{self.second}", "--emit", "library", "-o", "one.so", fault="none")
        self.assert_fails(done, 2, "3 parts")


if __name__ == "__main__":
    if not (FAULTS / "fault_none" / "fault_none.so").exists():
        sys.exit(f"the test plugins are not built: {FAULTS}")
    unittest.main(verbosity=1)
