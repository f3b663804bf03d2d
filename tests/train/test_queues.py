"""Queues, queue runners and input pipelines, with threads as programs use them.

Numbers that TensorFlow decides (what is dropped, padded, refused) were taken from 2.21.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import graphflow as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def in_thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


# ---- queues -------------------------------------------------------------------------------------


def test_first_in_first_out():
    q = tf.FIFOQueue(10, [tf.int32, tf.string], shapes=[[], [2]])
    put = q.enqueue_many([[1, 2, 3], [["a", "b"], ["c", "d"], ["e", "f"]]])
    one = q.enqueue((4, ["g", "h"]))
    number, words = q.dequeue()
    numbers, all_words = q.dequeue_many(2)
    assert numbers.shape.as_list() == [2] and all_words.shape.as_list() == [2, 2]
    with tf.Session() as sess:
        sess.run(put)
        sess.run(one)
        assert sess.run(q.size()) == 4
        assert sess.run(number) == 1
        found = sess.run([numbers, all_words])
        np.testing.assert_array_equal(found[0], [2, 3])
        assert found[1].tolist() == [[b"c", b"d"], [b"e", b"f"]]
        assert sess.run(words).tolist() == [b"g", b"h"]
    with tf.Session() as sess:  # another session, another queue
        assert sess.run(q.size()) == 0


def test_names_and_operations_of_a_queue():
    q = tf.FIFOQueue(10, tf.float32, shapes=[[]])
    assert q.name == "fifo_queue" and q.dtypes == [tf.float32]
    assert q.enqueue(1.0).name == "fifo_queue_enqueue"
    assert q.enqueue_many([[1.0]]).name == "fifo_queue_EnqueueMany"
    assert q.dequeue().name == "fifo_queue_Dequeue:0"
    assert q.dequeue_many(3).name == "fifo_queue_DequeueMany:0"
    assert tf.RandomShuffleQueue(10, 0, tf.float32).name == "random_shuffle_queue"
    with tf.name_scope("in"):
        assert tf.FIFOQueue(10, tf.float32).name == "in/fifo_queue"


def test_elements_with_names_are_dicts():
    q = tf.FIFOQueue(3, [tf.int64, tf.float32], names=["i", "x"], shapes=[[], []])
    put, got = q.enqueue({"x": 2.5, "i": 1}), q.dequeue()
    with tf.Session() as sess:
        sess.run(put)
        assert sess.run(got) == {"i": 1, "x": 2.5}
    with pytest.raises(ValueError, match="must enqueue a dictionary"):
        q.enqueue([1, 2.5])
    with pytest.raises(ValueError, match="do not match"):
        q.enqueue({"x": 1.0})


def test_waiting_for_elements_and_for_room():
    q = tf.FIFOQueue(2, tf.float32, shapes=[[]])
    x = tf.placeholder(tf.float32, [])
    put, put_many = q.enqueue(x), q.enqueue_many([[1.0, 2.0, 3.0, 4.0, 5.0]])
    got = q.dequeue_many(5)
    with tf.Session() as sess:
        found = []
        reader = in_thread(lambda: found.extend(sess.run(got)))
        for k in range(5):
            assert reader.is_alive()
            sess.run(put, {x: k})
        reader.join(10)
        assert found == [0, 1, 2, 3, 4]
        writer = in_thread(lambda: sess.run(put_many))
        np.testing.assert_array_equal(sess.run(got), [1, 2, 3, 4, 5])
        writer.join(10)
        assert not writer.is_alive()


def test_a_run_that_waits_does_not_hold_back_others():
    """A training step waits for its batch while another run, with a variable, makes it."""
    q = tf.FIFOQueue(1, tf.float32, shapes=[[]])
    count, w = tf.Variable(0.0), tf.Variable(0.0)
    make = q.enqueue(count.assign_add(1.0))
    step = w.assign_add(q.dequeue())
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        trainer = in_thread(lambda: [sess.run(step) for _ in range(3)])
        time.sleep(0.05)
        assert sess.run(w) == 0.0
        for _ in range(3):
            sess.run(make)
        trainer.join(10)
        assert sess.run(w) == 6.0


def test_closing():
    q = tf.FIFOQueue(5, tf.int32, shapes=[[]])
    put, close, two, rest = q.enqueue_many([[1, 2, 3]]), q.close(), q.dequeue_many(2), (
        q.dequeue_up_to(2))
    with tf.Session() as sess:
        sess.run(put)
        assert not sess.run(q.is_closed())
        sess.run(close)
        assert sess.run(q.is_closed())
        np.testing.assert_array_equal(sess.run(two), [1, 2])
        with pytest.raises(tf.errors.OutOfRangeError, match=r"has insufficient elements "
                           r"\(requested 2, current size 1\)"):
            sess.run(two)
        np.testing.assert_array_equal(sess.run(rest), [3])
        with pytest.raises(tf.errors.OutOfRangeError, match="current size 0"):
            sess.run(rest)
        with pytest.raises(tf.errors.CancelledError, match="closed"):
            sess.run(put)


def test_closing_stops_those_who_wait_for_room():
    q = tf.FIFOQueue(1, tf.int32, shapes=[[]])
    put, close = q.enqueue_many([[1, 2]]), q.close(cancel_pending_enqueues=True)
    errors = []
    with tf.Session() as sess:
        def fill():
            try:
                sess.run(put)
            except tf.errors.CancelledError as error:
                errors.append(error)

        writer = in_thread(fill)
        time.sleep(0.05)
        sess.run(close)
        writer.join(10)
        assert len(errors) == 1


def test_the_end_of_a_session_wakes_all():
    q = tf.FIFOQueue(1, tf.int32)
    got, errors = q.dequeue(), []
    sess = tf.Session()

    def wait():
        try:
            sess.run(got)
        except (tf.errors.CancelledError, RuntimeError) as error:
            errors.append(error)

    reader = in_thread(wait)
    time.sleep(0.05)
    sess.close()
    reader.join(10)
    assert len(errors) == 1


def test_random_order_keeps_some_back():
    q = tf.RandomShuffleQueue(100, 10, tf.int32, shapes=[[]], seed=3)
    put, close = q.enqueue_many([np.arange(100)]), q.close()
    many, rest = q.dequeue_many(90), q.dequeue_many(10)
    orders = []
    for _ in range(2):
        with tf.Session() as sess:
            sess.run(put)
            first = sess.run(many).tolist()
            sess.run(close)
            last = sess.run(rest).tolist()
            assert sorted(first + last) == list(range(100))
            assert first != sorted(first)
            orders.append(first + last)
    assert orders[0] == orders[1]  # one seed, one order
    # Elements come from all over: the mean place of the first half differs little from 50.
    assert abs(np.mean(orders[0][:50]) - 49.5) < 20


def test_padding_and_priorities():
    q = tf.PaddingFIFOQueue(5, [tf.int32, tf.string], shapes=[[None], [None]])
    puts = [q.enqueue([list(range(n)), ["w"] * n]) for n in (1, 3, 2)]
    numbers, words = q.dequeue_many(3)
    p = tf.PriorityQueue(5, [tf.string], shapes=[[]])
    fill = p.enqueue_many([[3, 1, 2, 1], ["c", "a", "b", "a2"]])
    with tf.Session() as sess:
        for put in puts:
            sess.run(put)
        found, texts = sess.run([numbers, words])
        np.testing.assert_array_equal(found, [[0, 0, 0], [0, 1, 2], [0, 1, 0]])
        assert texts[0].tolist() == [b"w", b"", b""]
        sess.run(fill)
        priority, word = p.dequeue_many(4)
        found, texts = sess.run([priority, word])
        assert found.tolist() == [1, 1, 2, 3] and texts.tolist() == [b"a", b"a2", b"b", b"c"]


def test_wrong_elements_are_refused_where_they_are_built():
    q = tf.FIFOQueue(5, [tf.float32], shapes=[[2]])
    with pytest.raises(ValueError, match=r"component 0 must have shape \[2\], got \[3\]"):
        q.enqueue([[1.0, 2.0, 3.0]])
    with pytest.raises(TypeError):
        q.enqueue([tf.constant([1, 2])])
    with pytest.raises(ValueError, match="1 components, got 2"):
        q.enqueue([[1.0, 2.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match="shapes=\\[…\\]"):
        tf.FIFOQueue(5, [tf.float32]).dequeue_many(2)
    with pytest.raises(ValueError, match="same length as dtypes"):
        tf.FIFOQueue(5, [tf.float32, tf.int32], shapes=[[]])
    open_queue = tf.FIFOQueue(5, [tf.float32], shapes=[[2]])
    x = tf.placeholder(tf.float32)
    put = open_queue.enqueue(x)
    refused = pytest.raises(tf.errors.InvalidArgumentError, match=r"shape \[2\], got \[1\]")
    with tf.Session() as sess, refused:
        sess.run(put, {x: [1.0]})


# ---- runners ------------------------------------------------------------------------------------


def run_to_the_end(fetches, limit=1000):
    """Every value of the fetches until OutOfRangeError."""
    found = []
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        try:
            while not coord.should_stop() and len(found) < limit:
                found.append(sess.run(fetches))
        except tf.errors.OutOfRangeError:
            pass
        finally:
            coord.request_stop()
        coord.join(threads, stop_grace_period_secs=10)
        assert not any(t.is_alive() for t in threads)
    return found


def test_numbers_for_some_epochs():
    number = tf.train.range_input_producer(4, num_epochs=3, shuffle=False).dequeue()
    assert run_to_the_end(number) == [0, 1, 2, 3] * 3
    tf.reset_default_graph()
    number = tf.train.range_input_producer(5, num_epochs=2, shuffle=True, seed=1).dequeue()
    found = run_to_the_end(number)
    assert sorted(found[:5]) == sorted(found[5:]) == [0, 1, 2, 3, 4]


def test_rows_and_batches():
    xs = np.arange(20.0, dtype=np.float32).reshape(10, 2)
    x, y = tf.train.slice_input_producer([xs, np.arange(10)], num_epochs=1, shuffle=False)
    batch = tf.train.batch([x, y], batch_size=4)
    assert batch[0].name == "batch:0" and batch[0].shape.as_list() == [4, 2]
    found = run_to_the_end(batch)
    np.testing.assert_array_equal(np.concatenate([b for _, b in found]), np.arange(8))
    np.testing.assert_array_equal(np.concatenate([a for a, _ in found]), xs[:8])
    tf.reset_default_graph()
    x, y = tf.train.slice_input_producer([xs, np.arange(10)], num_epochs=1, shuffle=False)
    batch = tf.train.batch({"x": x, "y": y}, batch_size=4, allow_smaller_final_batch=True)
    found = run_to_the_end(batch)
    assert [len(b["y"]) for b in found] == [4, 4, 2]


def test_shuffled_and_joined_batches():
    x = tf.train.range_input_producer(50, num_epochs=1, shuffle=False).dequeue()
    batch = tf.train.shuffle_batch([x], 10, capacity=40, min_after_dequeue=20, num_threads=3)
    found = run_to_the_end(batch)
    order = np.concatenate(list(found))
    assert sorted(order) == list(range(50)) and order.tolist() != list(range(50))
    tf.reset_default_graph()
    rows = [[tf.train.range_input_producer(6, num_epochs=1).dequeue() + 100 * k] for k in (0, 1)]
    batch = tf.train.batch_join(rows, 4)
    found = np.concatenate(list(run_to_the_end(batch)))
    assert sorted(found) == [0, 1, 2, 3, 4, 5, 100, 101, 102, 103, 104, 105]
    tf.reset_default_graph()
    rows = [[tf.train.range_input_producer(6, num_epochs=1).dequeue()] for _ in range(2)]
    assert len(run_to_the_end(tf.train.shuffle_batch_join(rows, 3, 20, 5))) == 4


def test_padded_batches_and_what_is_left_out():
    n = tf.train.range_input_producer(6, num_epochs=1, shuffle=False).dequeue()
    found = run_to_the_end(tf.train.batch([tf.range(n)], 3, dynamic_pad=True))
    np.testing.assert_array_equal(found[0], [[0, 0], [0, 0], [0, 1]])
    tf.reset_default_graph()
    n = tf.train.range_input_producer(10, num_epochs=1, shuffle=False).dequeue()
    found = run_to_the_end(tf.train.maybe_batch([n], tf.equal(n % 3, 0), 2))
    np.testing.assert_array_equal(np.concatenate([np.ravel(f) for f in found]), [0, 3, 6, 9])
    tf.reset_default_graph()
    many = tf.train.range_input_producer(12, num_epochs=1, shuffle=False).dequeue_many(4)
    found = run_to_the_end(tf.train.batch([many], 3, enqueue_many=True))
    np.testing.assert_array_equal(np.stack([np.ravel(f) for f in found]),
                                  np.arange(12).reshape(4, 3))


def test_an_error_in_a_thread_reaches_join():
    n = tf.train.range_input_producer(5, shuffle=False).dequeue()
    bad = tf.gather([1.0, 2.0], n)
    batch = tf.train.batch([bad], 2)
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        with pytest.raises((tf.errors.OutOfRangeError, tf.errors.CancelledError)):
            for _ in range(5):
                sess.run(batch)
        with pytest.raises(tf.errors.InvalidArgumentError, match="not in"):
            coord.join(threads, stop_grace_period_secs=10)


def test_a_looper_and_its_coordinator():
    coord, calls = tf.train.Coordinator(), []

    def work(label):
        calls.append(label)
        if len(calls) == 3:
            coord.request_stop()

    tf.train.LooperThread.loop(coord, 0.001, target=work, args=["a"])
    coord.join(stop_grace_period_secs=10)
    assert calls == ["a"] * 3
    with pytest.raises(TypeError, match="Coordinator"):
        tf.train.LooperThread(3, 1.0)


def test_runners_need_a_session():
    tf.train.range_input_producer(5)
    with pytest.raises(ValueError, match="No default session"):
        tf.train.start_queue_runners()
    with pytest.raises(ValueError, match="queue and enqueue_ops"):
        tf.train.QueueRunner()
    with pytest.raises(ValueError, match="num_epochs must be > 0"):
        tf.train.limit_epochs(1, 0)


def test_queues_in_a_monitored_session():
    number = tf.train.range_input_producer(3, num_epochs=2, shuffle=False).dequeue()
    found = []
    with tf.train.MonitoredTrainingSession() as sess:
        while not sess.should_stop():
            found.append(int(sess.run(number)))
    assert found == [0, 1, 2] * 2


def test_how_full_the_queues_are_is_a_summary():
    x = tf.train.range_input_producer(5, capacity=8).dequeue()
    tf.train.shuffle_batch([x], 2, capacity=10, min_after_dequeue=4)
    names = [t.op.name for t in tf.get_collection(tf.GraphKeys.SUMMARIES)]
    assert names == ["input_producer/fraction_of_8_full",
                     "shuffle_batch/fraction_over_4_of_6_full"]


# ---- files --------------------------------------------------------------------------------------


def test_lines_and_records(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2.5\n3,4.5\n")
    (tmp_path / "b.csv").write_text("x,y\n5,6.5\n")
    names = tf.train.match_filenames_once(str(tmp_path / "*.csv"))
    queue = tf.train.string_input_producer(names, num_epochs=1, shuffle=False)
    reader = tf.TextLineReader(skip_header_lines=1)
    key, line = reader.read(queue)
    columns = tf.decode_csv(line, [[0], [0.0]])
    found = run_to_the_end([key, columns, reader.num_records_produced()])
    assert [c for _, c, _ in found] == [[1, 2.5], [3, 4.5], [5, 6.5]]
    assert found[1][0] == str(tmp_path / "a.csv").encode() + b":3" and found[2][2] == 3
    tf.reset_default_graph()
    (tmp_path / "fixed").write_bytes(b"HH" + bytes(range(9)) + b"F")
    queue = tf.train.string_input_producer([str(tmp_path / "fixed")], num_epochs=1)
    _, record = tf.FixedLengthRecordReader(3, header_bytes=2, footer_bytes=1).read(queue)
    found = run_to_the_end(tf.decode_raw(record, tf.uint8))
    np.testing.assert_array_equal(found, np.arange(9).reshape(3, 3))


def test_whole_files_and_several_records_at_once(tmp_path):
    for k in range(3):
        (tmp_path / str(k)).write_bytes(b"abc"[:k])
    names = [str(tmp_path / str(k)) for k in range(3)]
    queue = tf.train.string_input_producer(names, num_epochs=1, shuffle=False)
    assert run_to_the_end(tf.WholeFileReader().read(queue)) == [
        (names[k].encode(), b"abc"[:k]) for k in range(3)]
    tf.reset_default_graph()
    with tf.python_io.TFRecordWriter(str(tmp_path / "r")) as writer:
        for k in range(5):
            writer.write(b"%d" % k)
    queue = tf.train.string_input_producer([str(tmp_path / "r")], num_epochs=1)
    _, values = tf.TFRecordReader().read_up_to(queue, 2)
    assert [v.tolist() for v in run_to_the_end(values)] == [[b"0", b"1"], [b"2", b"3"], [b"4"]]
    tf.reset_default_graph()
    queue = tf.train.string_input_producer([str(tmp_path / "missing")], num_epochs=1)
    _, value = tf.WholeFileReader().read(queue)
    with pytest.raises(tf.errors.NotFoundError, match="No such file"):
        run_to_the_end(value)
    with pytest.raises(ValueError, match="non-null"):
        tf.train.string_input_producer([])
