"""docs/complaints.md names tests that are there: entries of ctest, in each row at least one; functions and behaviours behind a colon, in the plugin's tests.

    complaints.py CTEST BUILD PLUGINS
"""

import pathlib
import re
import subprocess
import sys

ctest, build, plugins = sys.argv[1:]
listed = subprocess.run([ctest, "--test-dir", build, "-N"], capture_output=True, text=True, check=True).stdout
tests = re.findall(r"^ +Test +#\d+: (\S+)", listed, re.MULTILINE)
wrong, rows = [], 0
for number, line in enumerate((pathlib.Path(__file__).parent / "complaints.md").read_text().splitlines(), 1):
    if not line.startswith("|") or line.startswith(("|---", "| # |")):
        continue
    rows += 1
    said = line.rstrip(" |").split(" | ")[-1]
    named = re.findall(r"\b(?:[a-z][a-z0-9_]*\.)+(?:[a-z][a-z0-9_]*|\*)", said)
    if not named:
        wrong.append(f"line {number}: no test is named: {said}")
    for name in named:
        if not any(re.fullmatch(name.replace(".", r"\.").replace("*", ".*"), test) for test in tests):
            wrong.append(f"line {number}: ctest has no {name}")
    texts = "".join(p.read_text(errors="replace") for n in {n.split(".")[0] for n in named} for p in pathlib.Path(plugins, n, "tests").rglob("*.py"))
    for word in re.findall(r"\btest_[a-z0-9_]+|\b[a-z]+(?:-[a-z]+)+(?=[,;|)]|$)", said):
        if texts and word not in texts and (word.startswith("test_") or "`:" in said):
            wrong.append(f"line {number}: no test of {', '.join(named)} has {word}")
print("\n".join(wrong) or f"{rows} rows, as it should be")
sys.exit(1 if wrong or rows < 50 else 0)
