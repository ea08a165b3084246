#!/usr/bin/env python3
"""64 shadow models on location30 in PyTorch: the MLP, steps, batch and optimiser of crates/audit/examples/membership. Prints one JSON line.
usage: bench_shadows.py dataset_location.tgz [SHADOWS [PROCESSES]]"""
import io, json, multiprocessing, os, sys, tarfile, time
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"   # one thread a process: more of both do no better on two cores
import numpy as np, torch
torch.set_num_threads(1)

HIDDEN, STEPS, RATE = 128, 150, 0.01

def read(path):
    with tarfile.open(path) as archive:
        text = archive.extractfile(archive.getmembers()[0]).read()
    table = np.loadtxt(io.BytesIO(text.replace(b'"', b"")), delimiter=",", dtype=np.float32)
    return torch.from_numpy(table[:, 1:].copy()), torch.from_numpy(table[:, 0].astype(np.int64) - 1)

def shadow(job):
    number, members = job
    torch.manual_seed(number)
    x, y = X[members], Y[members]
    model = torch.nn.Sequential(torch.nn.Linear(X.shape[1], HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 30))
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    with torch.no_grad():
        p = torch.softmax(model(X).double(), 1)[torch.arange(len(Y)), Y]
    return (p.log() - (-p).log1p()).numpy(), float((model(x).argmax(1) == y).float().mean())

def main():
    global X, Y
    X, Y = read(sys.argv[1])
    shadows = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    processes = int(sys.argv[3]) if len(sys.argv) > 3 else len(os.sched_getaffinity(0))
    # Each row in half of the models.
    order = np.argsort(np.random.default_rng(1).random((shadows, len(Y))), axis=0)
    jobs = [(s, torch.from_numpy(np.flatnonzero(order[s] < shadows // 2))) for s in range(shadows)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        list(pool.imap_unordered(abs, range(processes)))   # started
        begun = time.perf_counter()
        found = list(pool.imap_unordered(shadow, jobs))
        took = time.perf_counter() - begun
    accuracy = float(np.mean([a for _, a in found]))
    print(json.dumps(dict(bench="shadows", peer="torch " + torch.__version__, shadows=shadows, threads=processes, wall_s=round(took, 3),
                          seconds_each=round(took * processes / shadows, 4), train_accuracy=round(accuracy, 4))))

main()
