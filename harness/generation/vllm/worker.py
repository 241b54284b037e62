"""The process in which vLLM runs: requests come as lines of JSON on stdin, answers go to stdout.

This file is started by its path with the python of another environment, which has vLLM and need not
have this package: it imports nothing of it. Every request has an `op`, every answer is
`{"ok": ...}`, or `{"error": "one line"}`, with `"restart": true` where a new process could do it.

load: {model, revision, adapter, rank, dtype, context, seed, code}. A process loads one model; later
requests may bring other adapters for it, of no higher rank.
generate: {prompts: [[id]], sampling: {...}} -> [[id]]
likelihoods: {rows: [[id], ...], counts: [n, ...]} -> [[sum of the last n log-probabilities, all of
them the likeliest]]
stop: the process ends.
"""

import ctypes
import json
import os
import signal
import sys
from importlib.metadata import version

PR_SET_PDEATHSIG = 1
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, as vLLM reserves room for them
LONGEST_ERROR = 400  # characters
FREE_SHARE = 0.9  # of the memory that is free when it starts; other processes have the rest


def load_format():
    """Pickles of weights are read from the version on that reads them as plain tensors alone."""
    major, minor = version("vllm").split(".")[:2]
    return "auto" if (int(major), int(minor)) >= (0, 7) else "safetensors"


class Restart(Exception):
    """Another process could do what is asked."""


class Server:
    """What is loaded, and the answers to requests."""

    def __init__(self):
        self.llm = None
        self.loaded = None  # what cannot change in a process
        self.room = 0  # largest rank of an adapter
        self.adapters = {}  # folder -> number
        self.adapter = None

    def load(self, model, revision, adapter, rank, dtype, context, seed, code):
        wanted = [model, revision, dtype, context, seed, code]
        if self.llm is None:
            self._start(model, revision, adapter, rank, dtype, context, seed, code)
            self.loaded = wanted
        elif wanted != self.loaded or (adapter and rank > self.room):
            raise Restart("another model needs a new process")
        self.adapter = self._request(adapter) if adapter else None
        import vllm

        return {"version": getattr(vllm, "__version__", "unknown")}

    def _start(self, model, revision, adapter, rank, dtype, context, seed, code):
        from vllm import LLM

        options = {}
        if adapter:
            self.room = next((room for room in RANKS if room >= rank), None)
            if self.room is None:
                raise ValueError(
                    f"an adapter of rank {rank} is beyond vLLM's largest, {RANKS[-1]}; "
                    "use eval.backend=hf or method.adapter.between_tasks=merge"
                )
            options = {"enable_lora": True, "max_lora_rank": self.room, "max_loras": 1}
        if share_of_memory() is not None:
            options["gpu_memory_utilization"] = share_of_memory()
        self.llm = LLM(
            model=model,
            tokenizer=model,
            revision=revision,
            dtype=dtype,
            max_model_len=context,
            seed=seed,
            trust_remote_code=code,
            load_format=load_format(),
            **options,
        )

    def _request(self, folder):
        from vllm.lora.request import LoRARequest

        number = self.adapters.setdefault(folder, len(self.adapters) + 1)
        return LoRARequest(f"stage{number}", number, folder)

    def generate(self, prompts, sampling):
        from vllm import SamplingParams

        stop, seed = sampling.pop("stop"), sampling.pop("seed")
        every = [
            SamplingParams(
                **sampling,
                stop=stop or None,
                detokenize=bool(stop),
                seed=None if seed is None else (seed + index) % 2**31,
            )
            for index in range(len(prompts))
        ]
        return [list(one.outputs[0].token_ids) for one in self._asked(prompts, every)]

    def likelihoods(self, rows, counts):
        from vllm import SamplingParams

        how = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=1, detokenize=False)
        found = []
        for row, count, one in zip(rows, counts, self._asked(rows, how), strict=True):
            places = list(zip(row, one.prompt_logprobs, strict=True))[-count:]
            mine = [known[token] for token, known in places]
            best = [max(value.logprob for value in known.values()) for _, known in places]
            greedy = all(value.logprob >= top for value, top in zip(mine, best, strict=True))
            found.append([sum(value.logprob for value in mine), greedy])
        return found

    def _asked(self, rows, how):
        prompts = [{"prompt_token_ids": row} for row in rows]
        return self.llm.generate(prompts, how, use_tqdm=False, lora_request=self.adapter)


def share_of_memory():
    """The share of the GPU's memory that vLLM may take, by what is free; None without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return round(FREE_SHARE * free / total, 3)


def in_one_line(error):
    """An error as one line of a length that people read."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_ERROR]}"


def answered(server, request):
    """The answer to one request, an error included."""
    op = request.pop("op")
    try:
        return {"ok": getattr(server, op)(**request)}
    except Restart as error:
        return {"error": str(error), "restart": True}
    except Exception as error:
        return {"error": in_one_line(error)}


def main():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The engine in this process: it dies with it, and schedules the same rows in the same way.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    # What libraries print goes to stderr; only answers go where they are read.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "stop":
            return
        answers.write(json.dumps(answered(server, request)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
