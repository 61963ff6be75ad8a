# nanodet_json: the header-only JSON library of Niels Lohmann, the system's if there is one.
add_library(nanodet_json INTERFACE)
find_path(NANODET_JSON_INCLUDE nlohmann/json.hpp PATHS /usr/include /usr/local/include
          NO_CMAKE_FIND_ROOT_PATH)
if(NANODET_JSON_INCLUDE AND NOT ANDROID)
  # a copy, because /usr/include as a whole must not be searched when compiling for another machine
  file(COPY ${NANODET_JSON_INCLUDE}/nlohmann DESTINATION ${CMAKE_CURRENT_BINARY_DIR}/json)
  target_include_directories(nanodet_json SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/json)
else()
  message(STATUS "nlohmann-json: not found (Debian: nlohmann-json3-dev); it is fetched now")
  include(FetchContent)
  FetchContent_Declare(nlohmann_json
    URL https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
    URL_HASH SHA256=d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)
  FetchContent_MakeAvailable(nlohmann_json)
  target_link_libraries(nanodet_json INTERFACE nlohmann_json::nlohmann_json)
endif()
