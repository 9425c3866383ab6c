# causeway_library(<name> SOURCES ... HEADERS ... DEPS ... PRIVATE_DEPS ...): one folder, one target.
function(causeway_library name)
  cmake_parse_arguments(A "" "" "SOURCES;HEADERS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${A_HEADERS})
  target_link_libraries(${name} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
endfunction()

# causeway_test(<name> SOURCES ... DEPS ...): one GoogleTest program, each TEST a ctest test.
function(causeway_test name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE CAUSEWAY_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# causeway_fuzz(<name> SOURCE file DEPS ...): a libFuzzer target under CAUSEWAY_FUZZ; in every other
# build the same entry point replays test/fuzz/corpus/<name> as a ctest test.
function(causeway_fuzz name)
  cmake_parse_arguments(A "" "SOURCE" "DEPS" ${ARGN})
  if(CAUSEWAY_FUZZ)
    add_executable(fuzz_${name} ${A_SOURCE})
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(fuzz_${name} ${A_SOURCE} ${PROJECT_SOURCE_DIR}/test/fuzz/replay_main.cc)
    add_test(NAME fuzz_replay_${name}
             COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/test/fuzz/corpus/${name})
    set_tests_properties(fuzz_replay_${name} PROPERTIES TIMEOUT 300)
  endif()
  target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(fuzz_${name} PRIVATE ${A_DEPS})
endfunction()

# causeway_interface(<name> HEADERS ... DEPS ...): a folder of headers only.
function(causeway_interface name)
  cmake_parse_arguments(A "" "" "HEADERS;DEPS" ${ARGN})
  add_library(${name} INTERFACE)
  target_sources(${name} INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${A_HEADERS})
  target_link_libraries(${name} INTERFACE ${A_DEPS})
endfunction()
