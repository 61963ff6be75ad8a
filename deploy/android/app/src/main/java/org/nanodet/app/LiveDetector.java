package org.nanodet.app;

import android.media.Image;
import android.os.Handler;
import android.os.HandlerThread;
import java.io.File;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.nanodet.Detector;
import org.nanodet.NanodetException;
import org.nanodet.Result;
import org.nanodet.YuvFrame;

/**
 * A detector on a thread of its own. It works on one frame at a time and refuses others meanwhile,
 * so that what is shown is never older than one detection. The detector itself is touched by its
 * thread alone.
 */
final class LiveDetector {
    /** Called on the main thread. */
    interface Listener {
        void onLoaded(Loaded loaded);

        /** @param turn degrees clockwise that turned the frame upright */
        void onResult(Result result, int turn, float framesPerSecond);

        /** @param line what is wrong with the model, or why it cannot run */
        void onDetectorFailed(String line);
    }

    /** What is known of a model once it is open. */
    static final class Loaded {
        final List<String> classNames;
        final int inputWidth;
        final int inputHeight;
        final String engine;

        Loaded(Detector detector) {
            classNames = detector.classNames();
            inputWidth = detector.inputWidth();
            inputHeight = detector.inputHeight();
            engine = detector.engine();
        }
    }

    private final HandlerThread thread = new HandlerThread("detector");
    private final Handler worker;
    private final Handler main;
    private final Listener listener;
    private final AtomicBoolean busy = new AtomicBoolean();
    private final AtomicInteger lastLoad = new AtomicInteger();
    private final FrameRate rate = new FrameRate();
    private Detector detector;

    LiveDetector(Handler main, Listener listener) {
        this.main = main;
        this.listener = listener;
        thread.start();
        worker = new Handler(thread.getLooper());
    }

    /** Opens a model in place of the one before; only the last of several calls counts. */
    void load(final ModelStore store, final ModelStore.Source source, final Model model,
            final int threads, final boolean vulkan) {
        final int number = lastLoad.incrementAndGet();
        worker.post(new Runnable() {
            @Override
            public void run() {
                if (number != lastLoad.get()) {
                    return;
                }
                close();
                try {
                    File file = store.install(model, source);
                    detector = new Detector(file.getPath(), threads, vulkan);
                    final Loaded loaded = new Loaded(detector);
                    tell(number, new Runnable() {
                        @Override
                        public void run() {
                            listener.onLoaded(loaded);
                        }
                    });
                } catch (IOException | NanodetException error) {
                    fail(number, model.label + ": " + error.getMessage());
                }
            }
        });
    }

    /**
     * Takes a frame, and closes it when it is done.
     *
     * @param turn degrees clockwise that turn it upright
     * @return false when it is busy; then the frame is still the caller's
     */
    boolean offer(final Image image, final int turn) {
        if (!busy.compareAndSet(false, true)) {
            return false;
        }
        boolean taken = worker.post(new Runnable() {
            @Override
            public void run() {
                try {
                    detect(image, turn);
                } finally {
                    image.close();
                    busy.set(false);
                }
            }
        });
        if (!taken) {
            busy.set(false);
        }
        return taken;
    }

    /** Runs something when no frame is being looked at: memory of frames is freed that way. */
    void afterFrame(Runnable action) {
        worker.post(action);
    }

    /** Ends its thread after pending work; afterFrame must not be called afterwards. */
    void quit() {
        lastLoad.incrementAndGet();
        worker.post(new Runnable() {
            @Override
            public void run() {
                close();
            }
        });
        thread.quitSafely();
    }

    private void detect(Image image, final int turn) {
        if (detector == null) {
            return;
        }
        final int number = lastLoad.get();
        try {
            Image.Plane[] planes = image.getPlanes();
            final Result result = detector.detect(
                    new YuvFrame(image.getWidth(), image.getHeight(),
                            planes[0].getBuffer(), planes[0].getRowStride(),
                            planes[1].getBuffer(), planes[1].getRowStride(),
                            planes[1].getPixelStride(),
                            planes[2].getBuffer(), planes[2].getRowStride(),
                            planes[2].getPixelStride()),
                    turn);
            final float framesPerSecond = rate.count(System.nanoTime());
            tell(number, new Runnable() {
                @Override
                public void run() {
                    listener.onResult(result, turn, framesPerSecond);
                }
            });
        } catch (NanodetException error) {
            // the next frame would fail alike
            close();
            fail(number, error.getMessage());
        }
    }

    private void close() {
        rate.reset();
        if (detector != null) {
            detector.close();
            detector = null;
        }
    }

    private void fail(int number, final String line) {
        tell(number, new Runnable() {
            @Override
            public void run() {
                listener.onDetectorFailed(line);
            }
        });
    }

    /** Calls the listener unless another model was asked for since. */
    private void tell(final int number, final Runnable call) {
        main.post(new Runnable() {
            @Override
            public void run() {
                if (number == lastLoad.get()) {
                    call.run();
                }
            }
        });
    }
}
