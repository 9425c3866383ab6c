#!/usr/bin/env python3
"""The offline tools as an operator runs them: rules_cli_test.py PROGRAM SOURCE_DIR."""
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])

HOT = {"id": "hot", "sql": "SELECT topic(2) AS device, payload.t AS t FROM 'plant/+/up' WHERE payload.t > 30",
       "actions": [{"queue": {"name": "alarms", "key": "${device}"}}],
       "tests": [{"topic": "plant/7/up", "payload": {"t": 31},
                  "expect": [{"action": "queue", "name": "alarms", "body": {"device": "7", "t": 31}}]}]}
CAPTURE = [{"topic": "plant/7/up", "payload": {"t": 31}}, {"topic": "plant/7/up", "payload": {"t": 29}},
           {"topic": "other", "payload": {"text": "x"}}]


class Tools(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def rules(self, name, *objects):
        folder = self.dir / name
        folder.mkdir(exist_ok=True)
        (folder / "rules.json").write_text(json.dumps(list(objects)))
        return str(folder)

    def capture(self):
        path = self.dir / "capture.jsonl"
        path.write_text("".join(json.dumps(message) + "\n" for message in CAPTURE))
        return str(path)

    def run_tool(self, *args, code=0, stdin=None):
        done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, input=stdin,
                              env={**os.environ, "TERM": "xterm"}, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("\x1b", done.stdout + done.stderr, "colours are for terminals")
        return done

    def test_check(self):
        self.assertIn("hot", self.run_tool("rules", "check", self.rules("good", HOT)).stdout)
        self.assertIn("hot", self.run_tool("rules", "check", self.rules("good", HOT) + "/rules.json").stdout)
        self.run_tool("rules", "check", str(self.dir / "none"), code=2)

    def test_an_error_points_at_its_place(self):
        folder = self.rules("bad", {**HOT, "sql": "SELECT nothing FROM 'a'"})
        text = self.run_tool("rules", "check", folder, code=1).stderr.splitlines()
        self.assertIn("unknown field 'nothing'", text[0])
        file, line, column = text[0].removeprefix("error: ").split(":")[:3]
        self.assertEqual(pathlib.Path(file).name, "rules.json")
        self.assertEqual((line, (pathlib.Path(file).read_text())[int(column) - 1:][:7]), ("1", "nothing"))
        self.assertEqual(text[1][text[2].index("^"):][:7], "nothing")
        report = json.loads(self.run_tool("rules", "check", folder, "--json", code=1).stdout)
        self.assertEqual(report["errors"][0]["column"], int(column))

    def test_test(self):
        good = self.rules("good", HOT)
        self.assertIn("1 passed, 0 failed", self.run_tool("rules", "test", good).stdout)
        wrong = {**HOT, "sql": HOT["sql"].replace("> 30", "> 31")}
        bad = self.rules("bad", wrong)
        junit = self.dir / "junit.xml"
        self.assertIn("0 passed, 1 failed",
                      self.run_tool("rules", "test", bad, "--junit", str(junit), code=1).stdout)
        self.assertEqual(xml.etree.ElementTree.parse(junit).getroot().get("failures"), "1")
        report = json.loads(self.run_tool("rules", "test", bad, "--json", code=1).stdout)
        self.assertEqual(report["failed"], 1)

    def test_the_examples_pass(self):
        self.run_tool("rules", "check", str(SOURCE / "docs/examples/rules"))
        self.run_tool("rules", "test", str(SOURCE / "docs/examples/rules"))

    def test_explain(self):
        folder = self.rules("good", HOT)
        shown = self.run_tool("rules", "explain", folder, "--message", json.dumps(CAPTURE[1]), code=1)
        self.assertRegex(shown.stdout, r"payload\.t > 30 +false")
        self.assertRegex(shown.stdout, r"payload\.t +29")
        message = self.dir / "message.json"
        message.write_text(json.dumps(CAPTURE[0]))
        fired = self.run_tool("rules", "explain", folder, "--message", str(message), "--json")
        self.assertEqual(json.loads(fired.stdout)[0]["verdict"], "fired")
        self.assertIn("no rule has a source", self.run_tool(
            "rules", "explain", folder, "--message", '{"topic": "other"}', code=1).stdout)
        self.run_tool("rules", "explain", folder, "--message", str(self.dir / "none"), code=2)
        self.assertIn("--message:1:2", self.run_tool(
            "rules", "explain", folder, "--message", "{", code=2).stderr)

    def test_run(self):
        folder = self.rules("good", HOT)
        done = self.run_tool("rules", "run", folder, "--input", self.capture())
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([(line["message"], line["output"]["key"]) for line in lines], [(1, "7")])
        self.assertIn("3 messages, 1 outputs, 0 failures", done.stderr)
        self.assertIn("matched 2, passed 1, no result 1", done.stderr)
        again = self.run_tool("rules", "run", folder, "--input", "-", stdin=json.dumps(CAPTURE[0]))
        self.assertEqual(len(again.stdout.splitlines()), 1)
        wrong = self.run_tool("rules", "run", folder, "--input", "-", stdin="\n{\"topic\": 1}\n", code=2)
        self.assertIn("-:2:", wrong.stderr)

    def test_diff(self):
        old = self.rules("old", HOT)
        new = self.rules("new", {**HOT, "sql": HOT["sql"].replace("> 30", "> 20")})
        done = self.run_tool("rules", "diff", old, new, "--input", self.capture(), code=1)
        self.assertIn("1 of 3 messages are routed differently", done.stdout)
        self.assertIn("+ {\"rule\":\"hot\"", done.stdout)
        changed = json.loads(self.run_tool(
            "rules", "diff", old, new, "--input", self.capture(), "--json", code=1).stdout)
        self.assertEqual(changed["changed"][0]["message"], 2)
        self.run_tool("rules", "diff", old, old, "--input", self.capture())

    def test_colours_are_for_terminals(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        subprocess.run([PROGRAM, "rules", "test", self.rules("good", HOT)], stdout=slave,
                       env={**env, "TERM": "xterm"}, check=True)
        subprocess.run([PROGRAM, "rules", "test", self.rules("good", HOT)], stdout=slave,
                       env={**env, "TERM": "xterm", "NO_COLOR": "1"}, check=True)
        os.close(slave)
        shown = os.read(master, 4096).decode()
        self.assertEqual(shown.count("1 passed"), 2)
        self.assertEqual(shown.count("\x1b[32m"), 1)

    def test_completion(self):
        script = self.run_tool("completion", "bash").stdout
        ask = script + "\nCOMP_WORDS=(causeway rules exp)\nCOMP_CWORD=2\n_causeway\necho \"${COMPREPLY[@]}\"\n" \
                       "COMP_WORDS=(causeway rules diff --i)\nCOMP_CWORD=3\n_causeway\necho \"${COMPREPLY[@]}\"\n"
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.split("\n")[:2], ["explain", "--input"])
        self.assertIn("complete -c causeway", self.run_tool("completion", "fish").stdout)
        self.assertIn("bashcompinit", self.run_tool("completion", "zsh").stdout)
        self.run_tool("completion", "cmd", code=2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
