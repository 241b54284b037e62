"""Every bad input is one line on stderr and exit code 2, and leaves nothing behind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import environment, harness, in_a_process, only_error, refused
from support.places import MICRO_MODEL, REPOSITORY
from support.raw_files import write_rows

GOOD = [{"prompt": "copy: a\nAnswer:", "answer": "a"}]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("method=seqfd", "unknown method 'seqfd'; did you mean 'seqft'?"),
        ("model=mikro", "unknown model 'mikro'; did you mean 'micro'?"),
        ("task=[micro_stanse]", "unknown task 'micro_stanse'; did you mean 'micro_stance'?"),
        ("suite=[micro_genral]", "unknown suite 'micro_genral'; did you mean 'micro_general'?"),
        ("sequence=micro9", "unknown sequence 'micro9'"),
        ("experiment=smoky", "unknown experiment 'smoky'; did you mean 'smoke'?"),
        ("sequence.tasks=[micro_stanse]", "unknown task 'micro_stanse'; did you mean"),
        ("train.learning_rat=1", "unknown key 'train.learning_rat'; did you mean"),
        ("trian.epochs=3", "unknown key 'trian.epochs'; did you mean 'train.epochs'?"),
        ("method.nam=x", "unknown key 'method.nam'; did you mean 'method.name'?"),
        ("train.learning_rate=fast", "train.learning_rate: Value 'fast'"),
        ("engine.precision=fp16", "expected one of [fp32, bf16]"),
        ("method.schedule=often", "method.schedule: Invalid value 'often'"),
        ("train.learning_rate=-1", "train.learning_rate=-1.0: it must be a positive number"),
        ("train.batch_size=0", "train.batch_size=0: it must be at least 1"),
        ("train.betas=[0.9]", "train.betas=[0.9]"),
        ("task=[micro_units,micro_units]", "task: 'micro_units' is listed twice"),
        ("sequence.tasks=[micro_units,micro_units]", "'micro_units' is listed twice"),
        ("task=[]", "the sequence has no task"),
        ("+foo=1", "unknown key 'foo'"),
        ("+train.learning_rat=1e-3", "unknown key 'train.learning_rat'; did you mean"),
        ("method=foreign", "method.checkpoints: 0 folders for 8 tasks; give one per stage"),
        ("seed=-1", "seed=-1: it must be 0 or more"),
        ("method.ratio=0.5", "unknown key 'method.ratio'; `python -m harness method <name>` lists"),
        ("method.learning_rate=1", "did you mean 'method.learning_rate_factor'?"),
        ("method=[]", "method=[]: choose at least one"),
        ("method=[joint,single]", "joint and single both set schedule; choose one"),
        ("method=[lora_rank4,lora_rank1]", "both set adapter; choose one"),
        ("method=[lora_seqft,lora_merge]", "both set adapter; choose one"),
        ("method=[replay,replay]", "method: 'replay' is listed twice"),
        ("experiment=table3", "unknown experiment 'table3'; did you mean 'trace/table3'?"),
        ("task.micro_units.headline=acuracy", "no such metric; did you mean 'accuracy'?"),
        ("experiment=trace500_micro", "TRACE_DATA is not set; set it, or data.root="),
        ("engine.precision=bf16", "engine.precision=bf16 needs ZeRO 1-3"),
        ("engine.deterministic=perhaps", "engine.deterministic"),
        ("sequence=trace", "data=micro has no rows of C-STANCE: TRACE's tasks need data=trace_500"),
        ("model.chat_template=true", "has no chat template, as those of base models; use"),
        ("sweep.skip_invalid=maybe", "sweep.skip_invalid: Value 'maybe'"),
        ("engine.offload=optimizer", "engine.offload=optimizer needs ZeRO 1-3; use engine=zero2"),
        ("model.quantization=nf4", "nf4: only adapters are trained on it; use method=lora_seqft"),
        ("model.attention=flesh", "model.attention: Invalid value 'flesh', expected one of [sdpa,"),
        ("model.attention=flex_attention", "flex_attention trains on a GPU only"),
        ("model.attention=flash_attention_2", "needs a GPU and engine.precision=bf16"),
        ("engine.zero_stage=4", "engine.zero_stage=4: use 0 to 3"),
        ("engine.ranks=999", "engine.ranks=999, but there are"),
        ("eval.beside=-1", "eval.beside=-1: it must be 0 or more"),
        ("eval.beside=999", "eval.beside=999: with engine.ranks=1 that makes 1000 ranks, but"),
        ("engine.offload=all", "engine.offload=all needs ZeRO 3, which cuts the weights; use"),
        ("engine.hostfile=", "engine.hostfile: its value is empty; name a file"),
        ("engine.hostfile=/nowhere", "engine.hostfile=/nowhere: cannot be read (No such file"),
        ("engine.device_memory=-3", "engine.device_memory=-3.0: it must be a positive number"),
        ("engine.device_memory=lots", "engine.device_memory: Value 'lots'"),
        ("model.shape.hidden_size=64", "sizes count only together; give num_hidden_layers, num_"),
        ("model.shape.hiden=64", "did you mean 'model.shape.hidden_size'?"),
        ("model.shape={hidden_size: 0}", "model.shape.hidden_size=0: it must be at least 1"),
        ("model.shape=big", "model.shape: Invalid type assigned: str"),
        ("model.name=", "model.name: its value is empty; give a name"),
        ("model.path=", "model.path: its value is empty; name a file or folder"),
        ("model.revision=", "model.revision: its value is empty; give one, or null for none"),
        ("judge.revision=", "judge.revision: its value is empty; give one, or null"),
        ("judge.base_url=", "judge.base_url: its value is empty; give one, or null"),
        ("data.replay_set=", "data.replay_set: its value is empty; give one, or null"),
        ("store.keep=[a]", "use all, ends or none, or stages as in [1,2]"),
        ("store.keep={a: 1}", "use all, ends or none, or stages as in [1,2]"),
        ("store.keep=[0]", "store.keep: there is no stage 0; use 1 to 8"),
        ("store.keep=null", "use all, ends or none, or stages as in [1,2]"),
        ("store.forget_days=many", "store.forget_days: Value 'many'"),
        (
            "eval.backend=vlm",
            "Invalid value 'vlm', expected one of [hf, paged, vllm]",
        ),
        ("eval.vllm_python=", "eval.vllm_python: its value is empty"),
        ("hydra/launcher=slurm_nodes", "starts the jobs of a sweep, of one as well: add -m"),
        ("seed=0,1", "several values need -m"),
        ("task.micro_stance.scorer=leter", "did you mean 'letter'?"),
        ("task.micro_stance.max_prompt_tokens=5000", "task.micro_stance: prompt + answer may take"),
        ("model.path=/nowhere/at/all", "model.path: there is no folder /nowhere/at/all"),
        ("data.root=/nowhere", "data folder /nowhere does not exist"),
    ],
)
def test_wrong_value(override: str, told: str, tmp_path: Path) -> None:
    line = refused(override, f"store.root={tmp_path / 'store'}")
    assert told in line
    assert not (tmp_path / "store").exists()


def test_a_context_that_is_too_short_names_the_key_to_change(
    tmp_path: Path, tiny_run: list[str]
) -> None:
    """GPT-2 calls its positions by another name."""
    folder = tmp_path / "gpt"
    shutil.copytree(MICRO_MODEL, folder)
    (folder / "config.json").write_text('{"model_type": "gpt2", "n_positions": 80}')
    line = refused(*tiny_run, f"model.path={folder}")
    assert "task.copy: prompt + answer may take 96 tokens, the model has 80 positions" in line
    assert line.endswith("; use task.copy.max_prompt_tokens=48 (likewise: count)")
    line = refused(*tiny_run, f"model.path={folder}", "eval.max_answer_tokens=200")
    assert "may take 264 tokens, the model has 80 positions; lower eval.max_answer_tokens" in line


def test_a_device_that_is_too_small(tmp_path: Path, tiny_run: list[str]) -> None:
    line = refused(*tiny_run, "engine.device_memory=1e-4")
    assert "0.0001 GB of memory for each rank: training model at ZeRO 0 on 1 rank" in line
    assert "takes at least 0.00" in line
    assert not (tmp_path / "store" / "train").exists()


def test_a_store_of_a_later_version(tmp_path: Path, tiny_run: list[str]) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "format.json").write_text('{"key_scheme": 99, "version_0.1": []}')
    line = refused(*tiny_run)
    assert "a later version of the harness writes here (key scheme 99, this one has" in line


def test_unknown_verb() -> None:
    assert "did you mean 'plan'?" in refused("plann")


def test_one_bad_job_of_a_sweep_starts_none(tmp_path: Path) -> None:
    line = refused("-m", "seed=0,1", "engine=zero0,zero9", f"store.root={tmp_path / 'store'}")
    assert "unknown engine 'zero9'" in line
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            ["sequence=micro2", "task.micro_code.learning_rate=1e-4"],
            "'micro_code' is not among the tasks of this run; they are: micro_stance, micro_units",
        ),
        (
            ["method=[sfa,lora_seqft]", "method.merge_space=delta"],
            "method.sfa.merge_space=delta: the average of two adapters of rank r has rank 2 r",
        ),
        (["method=ewc", "method.ewc=3"], "method.ewc: no strategy or edit of this method reads"),
        (["method=ewc", "~method.ewc"], "choose a method without it"),
        (["method=ewc", "+method.strenght=1"], "did you mean 'strength'?"),
        (["method=ewc", "++method.ratio=0.5"], "method.ratio: no strategy or edit"),
        (["experiment=null"], "experiment=null: give the name of an option"),
        (
            ["-m", "hydra/launcher=slurm_nodes", "engine.ranks=8", "engine.device=cuda"],
            "hydra.launcher.tasks_per_node=8 tasks are started for a job, one per rank; say "
            "engine.ranks=16",
        ),
        (
            [
                "-m",
                "hydra/launcher=slurm_nodes",
                "engine.ranks=16",
                "engine.device=cuda",
                "eval.beside=1",
            ],
            "eval.beside=1: the ranks that score beside those that train are started on this",
        ),
        (["eval.beside=1", "engine.hostfile=/nowhere"], "eval.beside=1: the ranks that score"),
        (
            ["eval.backend=vllm", "eval.vllm_python=/tmp"],
            "eval.vllm_python: there is no program /tmp; name a python",
        ),
        (
            ["model=llama2-7b-chat", "engine.device=cuda", "engine.ranks=8"],
            "engine.device=cuda, but there is no GPU here; use engine.device=cpu",
        ),
        (["method=null"], "method=null: give the name of an option"),
        (["method=[[ewc]]"], "give the name of an option"),
        (["-m", "method=seqft,replay", "method.ratio=0.2"], "unknown key 'method.ratio'"),
        (["method=icl", "method.prompting.max_prompt_tokens=-1"], "use 1 or more"),
        (["engine.timeout_minutes=inf"], "engine.timeout_minutes=inf: it must be a positive"),
        (
            ["engine=zero2", "engine.precision=bf16", "engine.tf32=true"],
            "engine.tf32=true is for engine.precision=fp32; leave it out",
        ),
        (["engine.tflops=nan"], "engine.tflops=nan: it must be a positive number"),
        (["store.root="], "store.root: its value is empty"),
        (["eval", "checkpoints=null"], "give the folder of every stage"),
        ([""], "write key=value"),
        (["method=[seqft"], "override 'method=[seqft': it cannot be read at '[seqft'; are all"),
        (["seed==3"], "override 'seed==3': it cannot be read; are all brackets"),
        (["=3"], "override '=3': there is no key before the equals sign"),
        (["lr=1"], "unknown key 'lr'; did you mean 'train.learning_rate'?"),
        (["train.lr=1"], "unknown key 'train.lr'; did you mean 'train.learning_rate'?"),
        (["train.gpus=2"], "unknown key 'train.gpus'; did you mean 'engine.ranks'?"),
        (["clean"], "unknown verb 'clean'; did you mean 'store clean'?"),
        (["edit", "wise_ft", "--base", "a", "--tuned", "b", "--out", ""], "--out: its value is"),
        (["score", "--task=", "x"], "--task: its value is empty"),
        (["method=[migu,ewc]"], "list it first, method=[ewc,migu]"),
        (["sequence.from_folder=x", "task=[micro_code]"], "use sequence.tasks=[a,b]"),
        (["method=sfa", "method.sfa.bta=1"], "did you mean 'method.sfa.beta'?"),
        (["--config-dir", "/nope", "method", "sfa"], "--config-dir: there is no folder /nope"),
    ],
)
def test_wrong_combination(overrides: list[str], told: str) -> None:
    assert told in refused(*overrides)


def test_a_sweep_is_planned_whole_or_not_at_all() -> None:
    done = harness("plan", "-m", "sequence=micro2", "suite=[]", "train.batch_size=4,0")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('[{"prompt": "a", "answer": "b"}, {"prompt": "a", "answer": }]', "row 1"),
        ('[{"prompt": "a", "answer": "b"}, {"prompt": "a"}]', "row 1 has no 'answer'"),
        ('[{"prompt": "a", "answer": 3}]', "row 0: 'answer' is int, it must be a string"),
        ('["text"]', "row 0 is not an object"),
        ('{"prompt": "a"}', "expected a JSON list"),
        ("[]", "the split is empty"),
    ],
)
def test_malformed_data(content: str, told: str, tmp_path: Path, tiny_run: list[str]) -> None:
    data = tmp_path / "data"
    for task in ("copy", "count"):
        for split in ("train", "eval", "test"):
            write_rows(data / task / f"{split}.json", GOOD)
    broken = data / "count" / "train.json"
    broken.write_text(content)
    line = refused(*tiny_run, f"data.root={data}")
    assert told in line
    assert str(broken) in line
    assert not (tmp_path / "store" / "train").exists()


def test_missing_file_and_folder(tmp_path: Path, tiny_run: list[str]) -> None:
    data = tmp_path / "data"
    write_rows(data / "copy" / "train.json", GOOD)
    done = harness(*tiny_run, f"data.root={data}")
    file, folder = done.stderr.strip().splitlines()
    assert file.startswith(f"error: {data / 'copy' / 'test.json'} does not exist")
    assert folder == f"error: {data / 'count'} does not exist; folders there: copy"
    write_rows(data / "copy" / "test.json", GOOD)
    line = refused(*tiny_run, f"data.root={data}")
    assert f"{data / 'count'} does not exist; folders there: copy" in line


def test_unwritable_store(tmp_path: Path, tiny_run: list[str]) -> None:
    (tmp_path / "file").write_text("")
    line = refused(*tiny_run, f"store.root={tmp_path / 'file' / 'store'}")
    assert "store.root" in line
    assert "cannot be written" in line


def test_model_folder_without_tokenizer(tmp_path: Path, tiny_run: list[str]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MICRO_MODEL, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert "has no tokenizer" in refused(*tiny_run, f"model.path={folder}")


def test_an_encoder_decoder_of_another_kind_is_refused_by_name(
    tmp_path: Path, tiny_run: list[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MICRO_MODEL, folder)
    details = {"model_type": "bart", "is_encoder_decoder": True}
    (folder / "config.json").write_text(json.dumps(details))
    line = refused(*tiny_run, f"model.path={folder}")
    assert "bart is an encoder-decoder that is not there" in line


def test_an_interpreter_refuses_in_one_line_and_without_torch() -> None:
    """What the other refusals rely on, which are made in this process."""
    code = (
        "import sys\n"
        "from harness.__main__ import entry\n"
        "sys.argv = ['harness', 'train.batch_size=0']\n"
        "try:\n    entry()\n"
        "finally:\n    print({'torch', 'transformers', 'pandas'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=environment(),
        check=False,
    )
    line = "error: train.batch_size=0: it must be at least 1"
    assert (done.returncode, done.stdout, done.stderr) == (2, "set()\n", f"{line}\n")
    assert refused("train.batch_size=0") == line
    assert only_error(in_a_process("train.batch_size=0")) == line


def test_hydra_writes_nothing_into_the_working_folder(tmp_path: Path) -> None:
    done = harness("--cfg", "job", "--resolve", cwd=tmp_path)
    assert done.returncode == 0
    assert "micro_stance" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_code_that_a_model_ships_runs_only_where_it_is_allowed(tmp_path: Path) -> None:
    folder = shutil.copytree(MICRO_MODEL, tmp_path / "model")
    description = json.loads((folder / "config.json").read_text())
    description["auto_map"] = {"AutoModelForCausalLM": "modeling_x.XForCausalLM"}
    (folder / "config.json").write_text(json.dumps(description))
    where = ["sequence=micro2", "suite=[]", f"model.path={folder}"]
    where.append(f"store.root={tmp_path / 'store'}")
    assert harness("plan", *where).returncode == 0  # transformers knows Llama
    description["model_type"] = "x"
    (folder / "config.json").write_text(json.dumps(description))
    line = refused("plan", *where)
    assert line.endswith("ships (x); read it, then set model.trust_remote_code=true")


@pytest.mark.distributed
def test_a_run_with_foreign_code_names_its_source(
    tiny_run: list[str], tiny_model: Path, tmp_path: Path
) -> None:
    done = harness(*tiny_run, "method=icl", "model.trust_remote_code=true", "eval.limit=1")
    assert f"runs the code that {tiny_model} ships" in done.stderr


@pytest.mark.parametrize(
    ("method", "override", "told"),
    [
        ("replay", "method.rato=1", "did you mean 'method.ratio'?"),
        ("replay", "method.replay.rato=1", "did you mean 'method.replay.ratio'?"),
        ("replay", "method.fill=reservoir", "fill=reservoir: it fills a buffer"),
        ("lora_seqft", "method.adapter.rnk=1", "did you mean 'method.adapter.rank'?"),
    ],
)
def test_a_wrong_parameter_of_a_method(method: str, override: str, told: str) -> None:
    assert told in refused(f"method={method}", override)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("method/calm.yaml", "name: calm\nx: [", "a config file is not valid YAML"),
        ("task/parity.yaml", "parity: {foldr: x, scorer: s}", "unknown key 'foldr'; did you mean"),
        (
            "method/calm.yaml",
            "name: calm\npenalty: {_target_: broken_module_of_a_test.X}",
            "cannot import 'broken_module_of_a_test' (SyntaxError",
        ),
    ],
)
def test_a_broken_file_of_the_user(name: str, text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "conf" / name).parent.mkdir(parents=True)
    (tmp_path / "conf" / name).write_text(text)
    (tmp_path / "broken_module_of_a_test.py").write_text("def f(:")
    group, option = name.removesuffix(".yaml").split("/")
    chosen = f"{group}=[{option}]" if group == "task" else f"{group}={option}"
    allowed = "code.allow=[broken_module_of_a_test]"
    done = harness("--config-dir", str(tmp_path / "conf"), chosen, allowed, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert told in line
