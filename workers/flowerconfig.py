"""Flower's settings: a live view that nothing can be changed through, with bounded memory (4 kB a task)."""

max_tasks = 10_000
max_workers = 500
read_only = True
purge_offline_workers = 300
natural_time = True
tasks_columns = "name,args,state,received,started,runtime,worker"
