"""Plugins that break their contract, budgets, interruption, full disks: the exit code, the sentence, and that nothing stays behind."""

import os
import pathlib
import resource
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
import tiny_onnx  # noqa: E402
from program import BUILD, FAULTS, ProgramTest  # noqa: E402


def processes_with(word):
    """Ids of processes whose command line or memory map names `word`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if word in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


class Faults(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.write("model.onnx", tiny_onnx.relu())
        self.out = self.folder / "out"

    def compile(self, fault, *arguments, **options):
        return self.lathe("compile", self.model, "--target", f"fault_{fault}", "-o", self.out, *arguments, fault=fault, **options)

    def assert_defect(self, done, fault, stage, *words):
        self.assert_fails(done, 5, f"'fault_{fault}'", f"'{stage}'", "report it", "log: ", *words)
        self.assert_nothing_left(self.out)
        self.assertEqual(len(self.logs()), 1)
        self.assertIn(str(self.logs()[0]), done.stderr)

    def test_a_plugin_that_works(self):
        done = self.compile("none")
        self.assertEqual(done.returncode, 0, done.stderr)
        package = self.out / "model--5x4_float_faulty_one_1"
        self.assertEqual(done.stdout.splitlines()[-1], str(package / "model--5x4_float_faulty_one_1.flt"))
        self.assertEqual([p.name for p in self.out.iterdir()], [package.name])
        self.assertEqual(self.logs(), [])

    def test_crash(self):
        self.assert_defect(self.compile("crash"), "crash", "compile", "crashed", "signal 11")

    def test_abort(self):
        self.assert_defect(self.compile("abort"), "abort", "compile", "crashed", "signal 6")

    def test_crash_while_claiming(self):
        self.assert_defect(self.compile("claim_crash"), "claim_crash", "claim", "crashed")

    def test_crash_while_verifying(self):
        self.assert_defect(self.compile("run_crash"), "run_crash", "verify", "crashed")

    def test_exit(self):
        self.assert_defect(self.compile("exit"), "exit", "compile", "ended from within")

    def test_throw(self):
        self.assert_defect(self.compile("throw"), "throw", "compile", "thrown on purpose")

    def test_failure_without_a_report(self):
        self.assert_defect(self.compile("silent"), "silent", "compile")

    def test_hang_is_noticed(self):
        begin = time.monotonic()
        self.assert_defect(self.compile("hang", "--max-idle", "1"), "hang", "compile", "hangs")
        self.assertLess(time.monotonic() - begin, 60)

    def test_hang_costs_the_time_budget(self):
        done = self.compile("hang", "--max-time", "1")
        self.assert_fails(done, 6, "time budget", "'fault_hang'", "--max-time", "log: ")
        self.assert_nothing_left(self.out)

    def test_memory_budget(self):
        done = self.compile("allocate", "--max-memory", "600M")
        self.assert_fails(done, 6, "memory budget of 600 MiB", "'fault_allocate'", "--max-memory", "log: ")
        self.assert_nothing_left(self.out)

    def test_garbage_on_standard_output_is_no_result(self):
        done = self.compile("garbage")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertNotIn("garbage\x01", done.stdout + done.stderr)

    def test_garbage_and_json(self):
        document = self.lathe_json("compile", self.model, "--target", "fault_garbage", "-o", self.out, fault="garbage")
        self.assertTrue(os.path.exists(document["artifact"]))

    def test_text_that_is_no_utf8(self):
        document = self.lathe_json("compile", self.model, "--target", "fault_bad_text", "-o", self.out, fault="bad_text")
        self.assertIn("not UTF-8", document["diagnostics"][0]["text"])

    def test_a_helper_left_running_is_ended(self):
        done = self.compile("orphan")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(processes_with(str(self.out)), [])

    def test_wrong_numbers(self):
        done = self.compile("run_wrong_numbers")
        self.assert_fails(done, 4, "output 'y'", "differs from the reference engine", "expected", "found")
        self.assert_nothing_left(self.out)

    def test_wrong_numbers_unverified(self):
        self.assertEqual(self.compile("run_wrong_numbers", "--verify", "off").returncode, 0)

    def test_crash_in_run_and_bench(self):
        self.assertEqual(self.compile("run_crash", "--verify", "off").returncode, 0)
        artifact = next(self.out.iterdir())
        for command in (["bench", artifact], ["verify", self.model, artifact]):
            done = self.lathe(*command, fault="run_crash")
            self.assert_fails(done, 5, "crashed", "running")

    def test_an_older_package_survives_a_failure(self):
        package = self.out / "model--5x4_float_faulty_one_1"
        package.mkdir(parents=True)
        (package / "manifest.json").write_text("{}")
        self.assertEqual(self.compile("crash").returncode, 5)
        self.assertEqual([p.name for p in package.iterdir()], ["manifest.json"])
        self.assertEqual([p.name for p in self.out.iterdir()], [package.name])


class Interruption(ProgramTest):
    def interrupt(self, number):
        model = self.write("model.onnx", tiny_onnx.relu())
        out = self.folder / "out"
        out.mkdir()
        running = subprocess.Popen(
            self.command("compile", model, "--target", "fault_hang", "-o", out, fault="hang"), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        # The fault strikes in the stage "compile": wait until it is announced.
        for line in running.stderr:
            if "compile" in line or time.monotonic() > deadline:
                break
        self.assertTrue(list(out.iterdir()), "no staging folder while the job runs")
        running.send_signal(number)
        stdout, stderr = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 130, stderr)
        self.assertEqual(stdout, "")
        self.assert_nothing_left(out)
        self.assertEqual(processes_with(str(out)), [])

    def test_control_c(self):
        self.interrupt(signal.SIGINT)

    def test_termination(self):
        self.interrupt(signal.SIGTERM)

    def test_the_supervisor_is_killed(self):
        # Nobody can clean up then, but the worker must not live on.
        model = self.write("model.onnx", tiny_onnx.relu())
        out = self.folder / "out"
        running = subprocess.Popen(
            self.command("compile", model, "--target", "fault_hang", "-o", out, fault="hang"), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for line in running.stderr:
            if "compile" in line:
                break
        running.kill()
        running.communicate(timeout=60)
        for _ in range(100):
            if not processes_with(str(out)):
                break
            time.sleep(0.1)
        self.assertEqual(processes_with(str(out)), [])


class FullDisk(ProgramTest):
    """A limit on file sizes stands for a full disk: writes fail in the middle."""

    def test_artifact_larger_than_the_limit(self):
        weights = tiny_onnx.tensor("w", (256, 256), [0.5] * 65536)
        model = self.write(
            "model.onnx",
            tiny_onnx.model([tiny_onnx.node("MatMul", ["x", "w"], ["y"])], [tiny_onnx.value_info("x", (1, 256))], [tiny_onnx.value_info("y", (1, 256))], [weights]),
        )
        if not (BUILD / "lib/lathe/plugins/onnx.so").exists():
            self.skipTest("no plugin that writes a file")
        out = self.folder / "out"

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))

        done = self.lathe("compile", model, "--target", "onnx", "-o", out, "--verify", "off", preexec_fn=limit)
        self.assert_fails(done, 1, "cannot write", "larger than the limit")
        self.assert_nothing_left(out)

    def test_full_file_system(self):
        mount = self.folder / "small"
        mount.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True)
        if made.returncode != 0:
            self.skipTest("no right to mount a small file system")
        try:
            weights = tiny_onnx.tensor("w", (256, 256), [0.5] * 65536)
            model = self.write(
                "model.onnx",
                tiny_onnx.model([tiny_onnx.node("MatMul", ["x", "w"], ["y"])], [tiny_onnx.value_info("x", (1, 256))], [tiny_onnx.value_info("y", (1, 256))], [weights]),
            )
            done = self.lathe("compile", model, "--target", "onnx", "-o", mount / "out", "--verify", "off")
            self.assert_fails(done, 1, "the disk is full")
            self.assertEqual(list(mount.iterdir()), [])
        finally:
            subprocess.run(["umount", str(mount)], check=True)


if __name__ == "__main__":
    if not (FAULTS / "fault_none" / "fault_none.so").exists():
        sys.exit(f"the faulty plugins are not built: {FAULTS}")
    unittest.main(verbosity=1)
