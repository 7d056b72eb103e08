"""What opening a checkpoint touches, seen by strace: no program is started but Lathe's own worker, no socket is made, and no file is opened but
the model, Lathe's own, what the system's libraries need, and the output.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.environ["LATHE_SOURCE_DIR"] + "/tests/support")
import hostile_checkpoints  # noqa: E402
from program import BUILD, LATHE, SOURCE, ProgramTest  # noqa: E402
from torch_files import checkpoint, trained  # noqa: E402

STRACE = shutil.which("strace")
NATIVE = ("llvm_cpu",) if (BUILD / "lib/lathe/plugins/llvm_cpu.so").exists() else ()  # generates code and links it, in the same process
WATCHED = "execve,execveat,connect,socket,socketpair,bind,open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,link,symlink,mkdir,chmod,fork,vfork,clone,clone3,ptrace,kill,process_vm_writev"
# The loader and the C library, OpenSSL's settings, the number of processors, and the supervisor's view of its worker.
SYSTEM = re.compile(
    r"/(lib|lib64|usr/lib|usr/local/lib)/|/etc/(ld\.so\.(cache|preload)|ssl/openssl\.cnf|localtime)$|/usr/share/(locale|zoneinfo)/"
    r"|/dev/(null|urandom)$|/sys/(devices/system/cpu|fs/cgroup)|/proc($|/meminfo|/cpuinfo|/(self|\d+)/(stat|status|statm|maps|exe|fd|cgroup|oom_score_adj|smaps_rollup))"
)
CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
TEXT = r'"((?:[^"\\]|\\.)*)"'


def calls(trace):
    """(name, the texts or paths among the arguments, the line); paths are complete where they are relative to a folder."""
    for line in trace.read_text(errors="replace").splitlines():
        match = CALL.match(line)
        if match:
            places = re.findall(r"(?:AT_FDCWD|\d+)<([^>]*)>, " + TEXT, match.group(2))
            texts = [os.path.join(folder, path) for folder, path in places] or re.findall(TEXT, match.group(2))
            yield match.group(1), texts, line


class Sandbox(ProgramTest):
    def setUp(self):
        super().setUp()
        if not STRACE:
            self.skipTest("strace is not here")
        self.marker = self.folder / "owned"
        self.out = self.folder / "out"
        self.out.mkdir()
        self.temporary = self.folder / "temporary"
        self.temporary.mkdir()

    def watched(self, *arguments):
        """Runs lathe under strace. Returns the process and what it did that it may not do."""
        trace = self.folder / "trace.txt"
        done = subprocess.run(
            [STRACE, "-f", "-qq", "-y", "-s", "400", "-e", f"trace={WATCHED}", "-o", str(trace), *self.command(*arguments)],
            cwd=self.folder, env=self.environment | {"TMPDIR": str(self.temporary)}, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=300,
        )
        model = next(a for a in map(str, arguments) if a.endswith(".pt"))
        executed, wrong = [], []
        for name, texts, line in calls(trace):
            if name in ("execve", "execveat"):
                executed.append(texts[:2])
            elif name in ("open", "openat", "openat2", "creat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "symlink", "mkdir", "chmod"):
                for path in texts[:2] if "rename" in name else texts[:1]:
                    path = os.path.normpath(os.path.join(self.folder, path))
                    writes = name not in ("open", "openat", "openat2") or re.search(r"O_(WRONLY|RDWR|CREAT)", line)
                    ours = path.startswith((str(self.out) + "/.lathe-", str(self.out) + "/best", str(self.temporary) + "/lathe-")) or path == "/proc/self/oom_score_adj" or re.match(r"/proc/\d+/oom_score_adj", path)
                    if writes and not (ours or path == "/dev/null"):
                        wrong.append(line)
                    elif not writes and not (ours or path in (model, str(self.out)) or path.startswith(str(BUILD)) or SYSTEM.match(path)):
                        wrong.append(line)
            elif name in ("fork", "vfork", "clone", "clone3", "kill"):
                continue  # the worker, its threads, and its end
            else:
                wrong.append(line)
        if executed not in ([[str(LATHE)] * 2], [[str(LATHE)] * 2] * 2):
            wrong.append(f"programs were started: {executed}")
        return done, wrong

    def assert_harmless(self, name, path, targets=("onnx",)):
        compiles = [("compile", path, "--target", target, "--verify", "off", "-o", self.out) for target in targets]
        for arguments in (*compiles, ("inspect", path)):
            done, wrong = self.watched(*arguments)
            self.assertEqual(wrong, [], f"{name}: {arguments[0]}")
            self.assertIn(done.returncode, (0, 1, 3), f"{name}: {done.stderr}")
            self.assertFalse(self.marker.exists(), name)
            self.assertEqual(os.listdir(self.temporary), [], name)

    def test_the_watch_sees(self):
        """The rule itself: a program that does what none may do is found out."""
        trace = self.folder / "trace.txt"
        subprocess.run([STRACE, "-f", "-qq", "-y", "-e", f"trace={WATCHED}", "-o", str(trace), sys.executable, "-c", "import socket; socket.socket(); open('/etc/passwd')"], check=True)
        seen = [(name, texts[:1]) for name, texts, _ in calls(trace)]
        self.assertIn("socket", [name for name, _ in seen])
        self.assertIn(("openat", ["/etc/passwd"]), seen)
        self.assertIsNone(SYSTEM.match("/etc/passwd"))

    def test_a_sound_checkpoint(self):
        self.assert_harmless("sound", self.write("best.pt", checkpoint(trained())), ("onnx", *NATIVE))

    def test_a_real_checkpoint(self):
        real = SOURCE.parent / "shared" / "models" / "pt" / "yolov8n.pt"
        if not real.exists():
            self.skipTest(f"{real} is not here")
        path = self.folder / "best.pt"
        shutil.copyfile(real, path)
        self.assert_harmless("yolov8n", str(path), ("onnx", *NATIVE))

    def test_hostile_ones(self):
        carried = 0
        for name, data, words in hostile_checkpoints.rows(str(self.marker)):
            # The containers that are refused at once take the same way; what is carried into the network is what could be run.
            if words is None or "call" in name or "reduce" in name or "module" in name or "storage" in name:
                with self.subTest(name):
                    self.assert_harmless(name, self.write("best.pt", data), NATIVE if carried % 8 == 0 and NATIVE else ("onnx",))
                carried += 1
        self.assertGreater(carried, 30)


if __name__ == "__main__":
    unittest.main()
