/// The native methods of org.nanodet.Detector. Nothing of detection is done here: buffers are
/// checked, the library is called, and its errors become NanodetException.
#include <jni.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "nanodet/detector.h"
#include "nanodet/error.h"
#include "nanodet/picture.h"
#include "nanodet/yuv.h"

namespace {

using nanodet::Error;

/// A Java exception is pending; native code unwinds and returns to it.
struct JavaThrew {};

/// An open detector.
struct Session {
    explicit Session(const std::string& path, const nanodet::DetectorOptions& options)
        : detector(path, options) {}

    std::mutex busy;
    nanodet::Detector detector;
    std::vector<std::uint8_t> bgr;  // of the last camera frame
};

/// Java holds numbers and no addresses: a wrong or stale one is an Error, never a crash, and a
/// detector that is closed while another thread uses it lives until that is done.
class Sessions {
public:
    jlong add(std::shared_ptr<Session> session) {
        const std::lock_guard<std::mutex> lock(mutex_);
        sessions_.emplace(++last_, std::move(session));
        return last_;
    }

    std::shared_ptr<Session> find(jlong handle) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = sessions_.find(handle);
        if (found == sessions_.end()) throw Error("detector: it is closed");
        return found->second;
    }

    void remove(jlong handle) {
        std::shared_ptr<Session> last;  // is destroyed after the lock is gone
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = sessions_.find(handle);
        if (found == sessions_.end()) return;
        last = std::move(found->second);
        sessions_.erase(found);
    }

private:
    std::mutex mutex_;
    std::map<jlong, std::shared_ptr<Session>> sessions_;
    jlong last_ = 0;
};

Sessions& sessions() {
    static Sessions all;
    return all;
}

/// Text goes as UTF-8 bytes both ways: JNI's own strings are another encoding.
jbyteArray to_java(JNIEnv* env, const std::string& text) {
    const auto size = static_cast<jsize>(text.size());
    jbyteArray bytes = env->NewByteArray(size);
    if (bytes == nullptr) throw JavaThrew();
    env->SetByteArrayRegion(bytes, 0, size, reinterpret_cast<const jbyte*>(text.data()));
    return bytes;
}

std::string to_text(JNIEnv* env, jbyteArray bytes, const std::string& name) {
    if (bytes == nullptr) throw Error(name + ": is null");
    const jsize size = env->GetArrayLength(bytes);
    std::string text(static_cast<std::size_t>(size), '\0');
    env->GetByteArrayRegion(bytes, 0, size, reinterpret_cast<jbyte*>(&text[0]));
    if (text.find('\0') != std::string::npos) throw Error(name + ": contains a zero byte");
    return text;
}

void throw_in_java(JNIEnv* env, std::string line) {
    if (env->ExceptionCheck()) return;
    for (char& letter : line)
        if (letter == '\n' || letter == '\r') letter = ' ';
    try {
        jclass type = env->FindClass("org/nanodet/NanodetException");
        if (type == nullptr) return;  // an error of Java's own is pending
        jmethodID constructor = env->GetMethodID(type, "<init>", "([B)V");
        if (constructor == nullptr) return;
        jobject thrown = env->NewObject(type, constructor, to_java(env, line));
        if (thrown != nullptr) env->Throw(static_cast<jthrowable>(thrown));
    } catch (const JavaThrew&) {
    }
}

/// Calls, and turns what C++ throws into a NanodetException.
template <typename Call>
auto guarded(JNIEnv* env, Call call) -> decltype(call()) {
    try {
        return call();
    } catch (const JavaThrew&) {
    } catch (const std::bad_alloc&) {
        throw_in_java(env, "detector: not enough memory");
    } catch (const std::exception& error) {
        throw_in_java(env, error.what());
    } catch (...) {
        throw_in_java(env, "detector: an unknown native failure");
    }
    return decltype(call())();
}

/// @throws Error  unless `rows` rows of `row` bytes, `stride` bytes apart, lie in `available` bytes
void check_room(const std::string& name, std::int64_t available, std::int64_t rows,
                std::int64_t stride, std::int64_t row) {
    if (stride < row)
        throw Error(name + ": its row stride is " + std::to_string(stride) +
                    " bytes, less than the " + std::to_string(row) + " of a row");
    const std::int64_t needed = (rows - 1) * stride + row;
    if (available < needed)
        throw Error(name + ": has " + std::to_string(available) + " bytes, but " +
                    std::to_string(rows) + " rows of stride " + std::to_string(stride) + " take " +
                    std::to_string(needed));
}

/// The memory of a direct java.nio.ByteBuffer.
struct Memory {
    Memory(JNIEnv* env, jobject buffer, const std::string& name) {
        if (buffer == nullptr) throw Error(name + ": is null");
        data = static_cast<const std::uint8_t*>(env->GetDirectBufferAddress(buffer));
        size = env->GetDirectBufferCapacity(buffer);
        if (data == nullptr || size < 0) throw Error(name + ": must be a direct buffer");
    }

    const std::uint8_t* data;
    std::int64_t size;
};

/// The elements of a byte[], given back unchanged.
class Elements {
public:
    Elements(JNIEnv* env, jbyteArray array) : env_(env), array_(array) {
        if (array == nullptr) throw Error("pixels: is null");
        bytes_ = env->GetByteArrayElements(array, nullptr);
        if (bytes_ == nullptr) throw JavaThrew();
    }
    ~Elements() { env_->ReleaseByteArrayElements(array_, bytes_, JNI_ABORT); }
    Elements(const Elements&) = delete;
    Elements& operator=(const Elements&) = delete;

    const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(bytes_); }

private:
    JNIEnv* env_;
    jbyteArray array_;
    jbyte* bytes_;
};

/// @param format  the ordinal of org.nanodet.PixelFormat
nanodet::Picture packed(const std::uint8_t* data, std::int64_t size, jint width, jint height,
                        jint stride, jint format) {
    using nanodet::PixelFormat;
    constexpr PixelFormat formats[] = {PixelFormat::bgr, PixelFormat::rgb, PixelFormat::bgra,
                                       PixelFormat::rgba, PixelFormat::gray};
    if (format < 0 || format >= jint(std::size(formats)))
        throw Error("format: there is no pixel format " + std::to_string(format));
    const nanodet::Picture picture{data, width, height, stride, formats[format]};
    nanodet::check(picture);
    check_room("pixels", size, height, stride,
               std::int64_t(width) * nanodet::bytes_of(picture.format));
    return picture;
}

using Clock = std::chrono::steady_clock;

float milliseconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<float, std::milli>(to - from).count();
}

/// Detects and returns milliseconds of preprocessing (since `start`), network and decoding, then
/// left, top, right, bottom, confidence, class and the four edges' standard deviations of each detection.
jfloatArray detect(JNIEnv* env, nanodet::Detector& detector, const nanodet::Picture& picture,
                   Clock::time_point start) {
    detector.preprocess(picture);
    const Clock::time_point preprocessed = Clock::now();
    detector.run();
    const Clock::time_point ran = Clock::now();
    const std::vector<nanodet::Detection>& detections = detector.decode();
    std::vector<jfloat> values = {milliseconds(start, preprocessed),
                                  milliseconds(preprocessed, ran),
                                  milliseconds(ran, Clock::now())};
    values.reserve(values.size() + 10 * detections.size());
    for (const nanodet::Detection& one : detections) {
        values.insert(values.end(), {one.x1, one.y1, one.x2, one.y2, one.confidence,
                                     static_cast<jfloat>(one.class_id)});
        values.insert(values.end(), std::begin(one.edge_std), std::end(one.edge_std));
    }
    const auto size = static_cast<jsize>(values.size());
    jfloatArray array = env->NewFloatArray(size);
    if (array == nullptr) throw JavaThrew();
    env->SetFloatArrayRegion(array, 0, size, values.data());
    return array;
}

}  // namespace

extern "C" {

JNIEXPORT jboolean JNICALL Java_org_nanodet_Detector_hasEngine0(JNIEnv* env, jclass,
                                                               jbyteArray name) {
    return guarded(env, [&]() -> jboolean {
        return nanodet::has_engine(to_text(env, name, "engine")) ? JNI_TRUE : JNI_FALSE;
    });
}

JNIEXPORT jlong JNICALL Java_org_nanodet_Detector_create(JNIEnv* env, jclass, jbyteArray path,
                                                         jint threads, jboolean vulkan) {
    return guarded(env, [&]() -> jlong {
        nanodet::DetectorOptions options;
        options.threads = threads;
        options.vulkan = vulkan == JNI_TRUE;
        return sessions().add(std::make_shared<Session>(to_text(env, path, "path"), options));
    });
}

JNIEXPORT void JNICALL Java_org_nanodet_Detector_destroy(JNIEnv* env, jclass, jlong handle) {
    guarded(env, [&] { sessions().remove(handle); });
}

JNIEXPORT jobjectArray JNICALL Java_org_nanodet_Detector_classNames0(JNIEnv* env, jclass,
                                                                     jlong handle) {
    return guarded(env, [&]() -> jobjectArray {
        const std::shared_ptr<Session> session = sessions().find(handle);
        const std::vector<std::string>& names = session->detector.spec().class_names;
        jclass type = env->FindClass("[B");
        if (type == nullptr) throw JavaThrew();
        jobjectArray array =
            env->NewObjectArray(static_cast<jsize>(names.size()), type, nullptr);
        if (array == nullptr) throw JavaThrew();
        for (std::size_t i = 0; i < names.size(); ++i) {
            jbyteArray name = to_java(env, names[i]);
            env->SetObjectArrayElement(array, static_cast<jsize>(i), name);
            env->DeleteLocalRef(name);  // there may be more classes than local references
        }
        return array;
    });
}

JNIEXPORT jintArray JNICALL Java_org_nanodet_Detector_inputSize0(JNIEnv* env, jclass,
                                                                 jlong handle) {
    return guarded(env, [&]() -> jintArray {
        const nanodet::Size size = sessions().find(handle)->detector.spec().input_size;
        const jint sides[] = {size.width, size.height};
        jintArray array = env->NewIntArray(2);
        if (array == nullptr) throw JavaThrew();
        env->SetIntArrayRegion(array, 0, 2, sides);
        return array;
    });
}

JNIEXPORT jbyteArray JNICALL Java_org_nanodet_Detector_engine0(JNIEnv* env, jclass, jlong handle) {
    return guarded(env, [&]() -> jbyteArray {
        return to_java(env, sessions().find(handle)->detector.backend().engine());
    });
}

JNIEXPORT jfloatArray JNICALL Java_org_nanodet_Detector_detectArray(
    JNIEnv* env, jclass, jlong handle, jbyteArray pixels, jint width, jint height, jint stride,
    jint format) {
    return guarded(env, [&]() -> jfloatArray {
        const std::shared_ptr<Session> session = sessions().find(handle);
        const std::lock_guard<std::mutex> lock(session->busy);
        const Clock::time_point start = Clock::now();
        const Elements elements(env, pixels);
        return detect(env, session->detector,
                      packed(elements.data(), env->GetArrayLength(pixels), width, height, stride,
                             format),
                      start);
    });
}

JNIEXPORT jfloatArray JNICALL Java_org_nanodet_Detector_detectBuffer(
    JNIEnv* env, jclass, jlong handle, jobject pixels, jint width, jint height, jint stride,
    jint format) {
    return guarded(env, [&]() -> jfloatArray {
        const std::shared_ptr<Session> session = sessions().find(handle);
        const std::lock_guard<std::mutex> lock(session->busy);
        const Memory memory(env, pixels, "pixels");
        return detect(env, session->detector,
                      packed(memory.data, memory.size, width, height, stride, format),
                      Clock::now());
    });
}

JNIEXPORT jfloatArray JNICALL Java_org_nanodet_Detector_detectYuv(
    JNIEnv* env, jclass, jlong handle, jobject y, jobject u, jobject v, jint width, jint height,
    jint y_stride, jint u_stride, jint v_stride, jint u_step, jint v_step, jint turn) {
    return guarded(env, [&]() -> jfloatArray {
        const std::shared_ptr<Session> session = sessions().find(handle);
        const std::lock_guard<std::mutex> lock(session->busy);
        const Clock::time_point start = Clock::now();
        if (width < 1 || height < 1)
            throw Error("frame: has no pixels (" + std::to_string(width) + " x " +
                        std::to_string(height) + ")");
        const Memory luma(env, y, "y"), blue(env, u, "u"), red(env, v, "v");
        check_room("y", luma.size, height, y_stride, width);
        // of odd sides half a chroma value belongs to nobody
        const std::int64_t columns = (std::int64_t(width) + 1) / 2;
        const std::int64_t rows = (std::int64_t(height) + 1) / 2;
        if (u_step < 1 || v_step < 1) throw Error("frame: its pixel strides must be 1 or more");
        check_room("u", blue.size, rows, u_stride, (columns - 1) * u_step + 1);
        check_room("v", red.size, rows, v_stride, (columns - 1) * v_step + 1);
        const nanodet::Yuv420 frame{luma.data, blue.data, red.data, width,  height,
                                    y_stride,  u_stride,  v_stride, u_step, v_step};
        return detect(env, session->detector, nanodet::to_bgr(frame, turn, session->bgr), start);
    });
}

}  // extern "C"
